"""Evaluators as a suite writes them: by name in our own format, or within a check of promptfoo's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue

from evals.cases import SuiteError
from evals.scorers.evaluator import (
    ADAPTER,
    ADAPTERS,
    DEFAULT_PROCESSES,
    DEFAULT_SECONDS,
    DOOR_VARIABLES,
    MOST_PROCESSES,
    MOST_SECONDS,
    Evaluator,
    value_of,
)
from evals.suites.promptfoo.source import PromptfooSource
from evals.suites.values import mapping, place_of, plain_mapping, refusal, text
from gateway.config.fields import StrictModel, written
from gateway.config.nodes import Node
from gateway.config.problems import quoted, unknown
from gateway.config.quantities import DURATION_PATTERN, seconds
from gateway.config.validation import validate

_CHECK_KEYS: Final = ("metric", "settings")
_NAMED: Final = "evaluator"
_LONGEST_FILE: Final = 4_096  # characters of an argument that may be a path


def _deadline(value: float) -> float:
    if not 0 < value <= MOST_SECONDS:
        raise ValueError("must be more than 0 and at most 1h")
    return value


def _variable(value: str) -> str:
    if value in DOOR_VARIABLES:
        raise ValueError(f"{value} is set by the evaluation; name the model as `judge` or `embedder`")
    return value


Timeout = Annotated[
    float,
    written(seconds),
    AfterValidator(_deadline),
    Field(json_schema_extra={"type": "string", "pattern": DURATION_PATTERN}),
]
Variable = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,200}$"), AfterValidator(_variable)]
Argument = Annotated[str, Field(min_length=1, pattern="^[^\\x00]*$")]


class EvaluatorEntry(StrictModel):
    """A command that scores answers: a line of JSON for each, a line of JSON for each score."""

    run: list[Argument] = Field(
        min_length=1,
        description="The command and its arguments. `adapter:deepeval` and `adapter:ragas` stand for the scripts "
        "that come with Serinus.",
    )
    timeout: Timeout = Field(
        default=DEFAULT_SECONDS, description="The longest time for one answer, 1h at most. Default: 2m."
    )
    processes: int = Field(
        default=DEFAULT_PROCESSES, ge=1, le=MOST_PROCESSES, description="How many children score at once."
    )
    env: list[Variable] = Field(
        default_factory=list,
        description="Names of environment variables that the command gets; without it it gets no key. Default: none.",
    )
    cwd: str | None = Field(
        default=None, min_length=1, description="Its folder, from the suite's on. Default: the suite's."
    )
    files: list[str] = Field(
        default_factory=list,
        description="Files, also patterns, that belong to the evaluator beside those of its command: a change of "
        "them is a change of the suite. Default: none.",
    )
    judge: str | None = Field(
        default=None, min_length=1, description="The target that it may ask. Default: that of `--judge`."
    )
    embedder: str | None = Field(
        default=None, min_length=1, description="The target of embeddings that it may ask. Default: none."
    )


@dataclass(frozen=True, slots=True)
class EvaluatorReader:
    """Reader of the checks `external` of a suite.

    `known` are its evaluators by name; None where checks themselves hold the command. Where a dataset's values are
    filled into checks, none of them may become a command.
    """

    source: PromptfooSource
    known: Mapping[str, Evaluator] | None = None

    def value(self, node: Node) -> JsonValue:
        """Return the value of a check: `deepeval/faithfulness`, or a mapping. Raises SuiteError."""
        if node.text is not None:
            name, _, metric = node.text.partition("/")
            return value_of(self._named(name, node), metric or None, {})
        entries = mapping(node, "the value of `external`")
        metric = text(node.get("metric"), "`metric`") or ""
        settings = plain_mapping(node.get("settings"), "`settings`")
        if _NAMED in entries:
            if extra := sorted(entries.keys() - {_NAMED, *_CHECK_KEYS}):
                raise refusal(entries[extra[0]], f"{quoted(extra[0])} belongs to the evaluator, not to its check")
            return value_of(self._named(text(entries[_NAMED], "`evaluator`") or "", node), metric or None, settings)
        if self.known is not None:
            raise refusal(node, "a check names an evaluator that the suite has under `evaluators`")
        own = {key: each for key, each in entries.items() if key not in _CHECK_KEYS}
        evaluator = read_evaluator("", Node(own, node.file, node.line, node.column), self.source)
        return value_of(evaluator, metric or None, settings)

    def _named(self, name: str, node: Node) -> Evaluator:
        if not self.known:
            raise refusal(node, "the suite has no evaluators; write `run` with a command")
        if name not in self.known:
            raise refusal(node, unknown("evaluator", name, self.known))
        return self.known[name]


def read_evaluators(node: Node | None, source: PromptfooSource) -> dict[str, Evaluator]:
    """Return the evaluators of a suite by name; what is wrong with one is noted."""
    found = {}
    for name, each in ({} if node is None else mapping(node, "`evaluators`")).items():
        with source.findings.collecting():
            if "/" in name:
                raise refusal(each, f"{quoted(name)}: a name has no `/`, which a check writes before a metric")
            found[name] = read_evaluator(name, each, source)
    return found


def read_evaluator(name: str, node: Node, source: PromptfooSource) -> Evaluator:
    """Return an evaluator. Its files become part of the suite's digest. Raises SuiteError."""
    key = json.dumps([name, node.plain()])
    if key not in source.evaluators:  # promptfoo's checks repeat it in each case
        source.evaluators[key] = _read(name, node, source)
    return source.evaluators[key]


def _read(name: str, node: Node, source: PromptfooSource) -> Evaluator:
    if "run" not in node.entries:
        raise refusal(node, "an evaluator needs `run`, a command")
    entry, problems = validate(EvaluatorEntry, node)
    if entry is None:
        raise SuiteError(problems)
    place, folder = place_of(node), source.folder
    cwd = folder.locate(Path(entry.cwd or "."), place) if entry.cwd else folder.base
    if not cwd.is_dir():
        raise refusal(node, f"`cwd`: {quoted(entry.cwd or '.')} is no folder")
    paths = [path for pattern in entry.files for path in folder.matching(pattern, folder.base, place)]
    contents = [*(folder.read(path, place) for path in paths), *_contents(entry, cwd, node, source)]
    decisive = [entry.run, entry.cwd, entry.judge, entry.embedder, [sha256(each).hexdigest() for each in contents]]
    return Evaluator(
        name or Path(entry.run[0]).name,
        tuple(entry.run),
        str(cwd),
        sha256(json.dumps(decisive).encode()).hexdigest(),
        entry.timeout,
        entry.processes,
        tuple(entry.env),
        entry.judge,
        entry.embedder,
    )


def _contents(entry: EvaluatorEntry, cwd: Path, node: Node, source: PromptfooSource) -> list[bytes]:
    """Return the contents of the adapters and of the files of the repository that the command names."""
    found = []
    for argument in entry.run:
        if argument.startswith(ADAPTER):
            name = argument.removeprefix(ADAPTER)
            if name not in ADAPTERS:
                raise refusal(node, unknown("adapter", name, ADAPTERS))
            found += [path.read_bytes() for path in sorted(ADAPTERS[name].parent.glob("*.py"))]
        elif len(argument) <= _LONGEST_FILE and not argument.startswith("-"):
            found += _content(cwd / argument, node, source)
    return found


def _content(path: Path, node: Node, source: PromptfooSource) -> list[bytes]:
    """Return the content of a file of the repository; nothing for a program of the machine."""
    try:
        located = source.folder.locate(path, place_of(node))
    except SuiteError:  # outside, such as the Python that an environment links to
        return []
    return [source.folder.read(located, place_of(node))] if located.is_file() else []
