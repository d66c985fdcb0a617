"""A suite as values, whatever dialect it was written in: cases, and the checks that an answer must pass."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from gateway.config.problems import Problem as Problem

_MOST_SHOWN = 1_000  # problems of a suite in one text
ChatMessage = Mapping[str, JsonValue]  # in the shape of chat completions, which every dialect writes


@dataclass(frozen=True, slots=True)
class SourceLine:
    """The place of something that was written: `support.yaml:12`. `line` counts from 1, and is 0 for a whole file."""

    file: str
    line: int

    def problem(self, message: str, path: str = "") -> Problem:
        """Return a problem at this place."""
        return Problem(self.file, self.line, path, message)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check as it was written, with all templates filled.

    `type` is the canonical name without `not-`; `negated` says that it was there. `threshold` is None where none was
    written. `metric` names the score in reports. `target` is the judge or embedder, None for the default. `transform`
    is a file of Python that changes the answer first. `children` are the checks of an `assert-set`.
    """

    type: str
    place: SourceLine
    value: JsonValue = None
    threshold: float | None = None
    weight: float = 1.0
    negated: bool = False
    metric: str | None = None
    target: str | None = None
    transform: str | None = None
    children: tuple["CheckSpec", ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A question to a version, and what its answer must be.

    `id` is stable over runs: as written, else a digest of what is asked. `messages` are what the client sends, with
    all templates filled. `inputs` are the suite's variables, of which a version gets those that it declares.
    `expected` is the reference answer, `context` the retrieved texts. `threshold` is the least score of the case, None
    where all checks must pass. A `critical` case must pass each time. `tool_results` are given by a tool's name, in
    at most `max_turns` turns.
    """

    id: str
    messages: tuple[ChatMessage, ...]
    place: SourceLine
    inputs: Mapping[str, JsonValue]
    checks: tuple[CheckSpec, ...]
    expected: str | None = None
    context: tuple[str, ...] = ()
    threshold: float | None = None
    critical: bool = False
    max_turns: int = 8
    tool_results: Mapping[str, JsonValue] = field(default_factory=dict)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite: its cases, and how they are run. `sha256` covers every file that was read, in hexadecimal digits.

    `repeat` is how often each case is asked, `delay_seconds` the least time between two calls. `notes` are sentences
    for the user: what the dialect asks for that an evaluation does by itself, such as its providers. `files` are the
    digests of the files by their names, and `patterns` those that named some, all relative to the suite's folder.
    """

    name: str
    dialect: str
    cases: tuple[Case, ...]
    sha256: str
    repeat: int = 1
    max_concurrency: int = 4
    delay_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()


class SuiteError(Exception):
    """The suite cannot be run. `problems` holds everything that is wrong or not supported, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line))
        self.problems: tuple[Problem, ...] = tuple(unique)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        beyond = len(self.problems) - _MOST_SHOWN
        more = [f"and {beyond:,} more"] if beyond > 0 else []
        return "\n".join([*map(str, self.problems[:_MOST_SHOWN]), *more])
