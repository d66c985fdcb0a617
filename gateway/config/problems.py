"""What is wrong with a configuration: every problem with its place and the way out, never only the first."""

from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN_CHARACTERS = 80  # a value quoted in a message is cut here
_SHOWN_CHOICES = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` counts from 1 and is 0 where a line means nothing; `path` is dotted."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigProblems(Exception):
    """The configuration cannot be used. `problems` holds all that is wrong, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = dict.fromkeys(problems)
        self.problems: tuple[Problem, ...] = tuple(sorted(unique, key=lambda problem: (problem.file, problem.line)))
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def quoted(value: object) -> str:
    """A value for a message: one line, control characters escaped, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…'"


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """The message for a word that names nothing: what was meant, perhaps, and what there is."""
    choices = sorted(known)
    from difflib import get_close_matches  # for whoever has mistyped something

    near = get_close_matches(word, choices, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return f"unknown {kind} {quoted(word)}{hint} known: {listed(choices)}"


def listed(words: Iterable[str]) -> str:
    """The words as `a, b, c`, cut when they are many; `none` for no words."""
    choices = list(words)
    more = f" and {len(choices) - _SHOWN_CHOICES} more" if len(choices) > _SHOWN_CHOICES else ""
    return (", ".join(choices[:_SHOWN_CHOICES]) or "none") + more
