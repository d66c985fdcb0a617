"""Values of a tree, read alike in every dialect, with a sentence for each that is not what it must be."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from pydantic import JsonValue

from evals.cases import Problem, SourceLine, SuiteError
from gateway.config.nodes import Node
from gateway.config.problems import listed, quoted, unknown

_PLAIN_KEY = re.compile(r"[\w$.-]{1,60}")
_MOST_HINTS = 100
MAX_CASES = 20_000  # of a suite: each is asked at least twice


class SuiteFindings:
    """Problems of a suite as they are found, so that all of them are told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, node: Node, message: str) -> None:
        """Note a problem at a node."""
        self.problems.append(place_of(node).problem(message))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Note the problems of a SuiteError that is raised within, and go on after it."""
        try:
            yield
        except SuiteError as error:
            self.problems.extend(error.problems)

    def check(self) -> None:
        """Raise SuiteError where there are problems."""
        if self.problems:
            raise SuiteError(self.problems)


def place_of(node: Node) -> SourceLine:
    """Return where a node was written."""
    return SourceLine(node.file, node.line)


def refusal(node: Node, message: str) -> SuiteError:
    """Return the error for one problem at a node."""
    return SuiteError([place_of(node).problem(message)])


def plain(node: Node) -> JsonValue:
    """Return a node's value as plain JSON."""
    return cast(JsonValue, node.plain())


def plain_mapping(node: Node | None, name: str) -> dict[str, JsonValue]:
    """Return a mapping as plain JSON, an empty one for nothing. Raises SuiteError."""
    if node is None or node.value is None:
        return {}
    return {key: plain(each) for key, each in mapping(node, name).items()}


def mapping(node: Node, name: str) -> Mapping[str, Node]:
    """Return the entries of a mapping. Raises SuiteError for anything else."""
    if not isinstance(node.value, Mapping):
        raise refusal(node, f"{name} must be a mapping (key: value)")
    return node.value


def sequence(node: Node, name: str) -> tuple[Node, ...]:
    """Return the items of a list. Raises SuiteError for anything else."""
    if not isinstance(node.value, tuple):
        raise refusal(node, f"{name} must be a list")
    return node.value


def text(node: Node | None, name: str) -> str | None:
    """Return a text, None for nothing. Raises SuiteError for anything else."""
    if node is None or node.value is None:
        return None
    if node.text is None:
        raise refusal(node, f"{name} must be text; put it in quotes")
    return node.text


def number(node: Node | None, name: str) -> float | None:
    """Return a number, None for nothing. Raises SuiteError for anything else."""
    if node is None or node.value is None:
        return None
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise refusal(node, f"{name} must be a number, such as 0.8")
    return float(node.value)


def whole_number(node: Node | None, name: str, least: int, most: int) -> int | None:
    """Return a whole number within bounds, None for nothing. Raises SuiteError for anything else."""
    if node is None or node.value is None:
        return None
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not least <= node.value <= most:
        raise refusal(node, f"{name} must be a whole number from {least} to {most:,}")
    return node.value


def flag(node: Node | None, name: str) -> bool:
    """Return true or false, false for nothing. A table has it as text. Raises SuiteError for anything else."""
    if node is None or node.value in (None, "", "false", "False"):
        return False
    if node.value in ("true", "True"):
        return True
    if not isinstance(node.value, bool):
        raise refusal(node, f"{name} must be true or false")
    return node.value


def check_keys(node: Node, known: Collection[str], refused: Mapping[str, str], findings: SuiteFindings) -> None:
    """Note every key of a mapping that is unknown, or known and not supported for the reason given."""
    for key, below in node.entries.items():
        if key in refused:
            findings.add(below, f"{quoted(key)} is not supported: {refused[key]}")
        elif key not in known:
            is_shown = len(findings.problems) < _MOST_HINTS  # what was meant takes time to find
            findings.add(below, unknown("key", key, known) if is_shown else f"unknown key {quoted(key)}")


def shown_keys(keys: Collection[str]) -> str:
    """Return keys for a sentence; those that are no plain words in quotes, control characters escaped."""
    return listed(key if _PLAIN_KEY.fullmatch(key) else quoted(key) for key in sorted(keys))
