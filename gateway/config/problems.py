"""Problems of a configuration: every one of them, with its place and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN_CHARACTERS = 80  # a value quoted in a message is cut here
_SHOWN_CHOICES = 20
MAX_PROBLEMS = 100  # of each part of a load; nobody reads more, and each costs time and a line on the status page
_MOST_COMPARED = 500  # names that a wrong one is compared with, and the longest that is
_LONGEST_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem. `line` counts from 1 and is 0 where no line applies; `path` is dotted."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.path}: {self.message}" if self.path else f"{self.place}: {self.message}"

    @property
    def place(self) -> str:
        """Return file and line: what may be told to whoever must not read the files. A path may hold a typed word."""
        return f"{self.file}:{self.line}" if self.line else self.file


class ConfigProblems(Exception):
    """The configuration cannot be used. `problems` holds what is wrong, in the order of files and lines.

    Only the first `MAX_PROBLEMS` are kept; `left_out` counts those beyond.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line))
        self.problems: tuple[Problem, ...] = tuple(unique[:MAX_PROBLEMS])
        self.left_out = len(unique) - len(self.problems)
        super().__init__(*self.problems)

    @property
    def place(self) -> str:
        """Return where the first problem is, and how many others there are, without what the files say there."""
        others = len(self.problems) - 1 + self.left_out
        return f"{self.problems[0].place}{f' and {others} more' if others else ''}"

    def __str__(self) -> str:
        more = [f"and at least {self.left_out} more"] if self.left_out else []
        return "\n".join([*map(str, self.problems), *more])


def quoted(value: object) -> str:
    """A value for a message: one line, control characters escaped, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…'"


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """The message for a word that names nothing: what was meant, perhaps, and what there is."""
    choices = sorted(known)
    from difflib import get_close_matches  # for whoever has mistyped something

    is_comparable = len(word) <= _LONGEST_COMPARED and len(choices) <= _MOST_COMPARED
    near = get_close_matches(word, choices, n=1) if is_comparable else []
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return f"unknown {kind} {quoted(word)}{hint} known: {listed(choices)}"


def listed(words: Iterable[str]) -> str:
    """The words as `a, b, c`, cut when they are many; `none` for no words."""
    choices = list(words)
    more = f" and {len(choices) - _SHOWN_CHOICES} more" if len(choices) > _SHOWN_CHOICES else ""
    return (", ".join(choices[:_SHOWN_CHOICES]) or "none") + more
