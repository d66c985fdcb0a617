"""JSON as a tree that knows its lines. RFC 8259; stricter than `json.loads`: no NaN, no name twice in an object."""

import json
import re
from collections.abc import Mapping
from typing import Final

from evals.cases import SourceLine, SuiteError
from gateway.config.nodes import Node, Value
from gateway.config.problems import quoted
from gateway.config.strict_yaml import MAX_DEPTH

MAX_VALUES = 1_000_000  # of a file: about 500 MB as a tree
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]{1,300})?(?:[eE][-+]?[0-9]{1,9})?(?![0-9.eE])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_scan = json.JSONDecoder().raw_decode
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
_LARGEST_INTEGER = 2**63 - 1


def parse_json(text: str, file: str, line: int = 1) -> Node:
    """Return the one value in the text, whose first line has this number. Raises SuiteError."""
    try:
        return _JsonReader(text, file, line).document()
    except (ValueError, StopIteration) as error:
        raise SuiteError([SourceLine(file, line).problem(f"not JSON: {error}")]) from None


class _JsonReader:
    """A reader that passes over a text once, by a position that only grows; so does the number of the line."""

    def __init__(self, text: str, file: str, line: int) -> None:
        self._text = text
        self._file = file
        self._line = line
        self._counted = 0  # up to where line ends were counted
        self._at = 0
        self._values = 0

    def document(self) -> Node:
        node = self._value(0)
        if self._next():
            raise self._mistake("text follows after the value")
        return node

    def _value(self, depth: int) -> Node:
        first = self._next()
        self._values += 1
        if depth > MAX_DEPTH:
            raise self._mistake(f"nested deeper than {MAX_DEPTH} levels")
        if self._values > MAX_VALUES:
            raise self._mistake(f"holds more than {MAX_VALUES:,} values; split the file")
        line = self._line
        if first == "{":
            return self._node(self._object(depth), line)
        if first == "[":
            return self._node(self._array(depth), line)
        return self._node(self._string() if first == '"' else self._word(), line)

    def _object(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        self._at += 1
        while self._next() != "}" or entries:
            if self._next() != '"':
                raise self._mistake("a name in double quotes is missing")
            line, name = self._line, self._string()
            if name in entries:
                raise self._mistake(f"the name {quoted(name)} stands twice")
            self._take(":")
            node = self._value(depth + 1)
            entries[name] = Node(node.value, self._file, line, 1)
            if self._next() == "}":
                break
            self._take(",")
        self._at += 1
        return entries

    def _array(self, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        self._at += 1
        while self._next() != "]" or items:
            items.append(self._value(depth + 1))
            if self._next() == "]":
                break
            self._take(",")
        self._at += 1
        return tuple(items)

    def _string(self) -> str:
        try:
            scanned, self._at = _scan(self._text, self._at)
        except json.JSONDecodeError as error:
            raise self._mistake(error.msg[:1].lower() + error.msg[1:]) from None
        value = str(scanned)
        if not value.isascii() and _SURROGATE.search(value):
            raise self._mistake("half of a character (a lone surrogate) is not text")
        return value

    def _word(self) -> Value:
        for word, meaning in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return meaning
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            raise self._mistake("a value is missing, or is none of JSON's")
        self._at = number.end()
        written = number[0]
        if written.lstrip("-").isdigit():
            return int(written) if abs(int(written)) <= _LARGEST_INTEGER else written
        value = float(written)
        return value if abs(value) < float("inf") else written

    def _take(self, mark: str) -> None:
        if self._next() != mark:
            raise self._mistake(f"{mark!r} is missing")
        self._at += 1

    def _next(self) -> str:
        """Return the next character that is no white space, '' at the end; the position is then at it."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._text[self._at : self._at + 1]

    def _node(self, value: Value, line: int) -> Node:
        return Node(value, self._file, line, 1)

    def _mistake(self, message: str) -> SuiteError:
        return SuiteError([SourceLine(self._file, self._line).problem(f"not JSON: {message}")])
