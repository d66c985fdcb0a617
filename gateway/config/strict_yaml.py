"""YAML with the traps closed: one document, no aliases, no duplicate keys, and only what looks like a number is one.

PyYAML speaks YAML 1.1, where `on` is true, `1:30` is ninety, `010` is eight and the later of two equal keys wins
silently. So only its parser is used. Plain words follow the core schema of YAML 1.2 (chapter 10.3) without its octal
and hexadecimal numbers; everything else is text.
"""

import math
import pathlib
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import yaml

from gateway.config.nodes import Node, Path, Scalar, Value, dotted
from gateway.config.problems import MAX_PROBLEMS, Problem, quoted

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 64  # far more than a nested tool schema needs, far less than Python's recursion limit

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML built from source may lack libyaml
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_LARGEST_INTEGER = 2**63 - 1
_BARE_ADDRESS = re.compile(r"^ *listen: *\[")
_BARE_VARIABLE = re.compile(r"[:,] *\$\{")
# Line breaks of YAML 1.1 that are none in YAML 1.2 and in editors: they come with text from web pages. The parser is
# shown characters for private use in their place.
_ODD_BREAKS = ("\x85", "\u2028", "\u2029")
_PRIVATE = range(0xE000, 0xF8FF)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CORE = "tag:yaml.org,2002:"
_TAGGED_TEXT = frozenset({"!", f"{_CORE}str"})
_TAGS: Final[dict[str, tuple[type, ...]]] = {
    f"{_CORE}int": (int,),
    f"{_CORE}float": (float, int),
    f"{_CORE}bool": (bool,),
    f"{_CORE}null": (type(None),),
    f"{_CORE}map": (dict,),
    f"{_CORE}seq": (tuple,),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """Content of a file, or None for an unreadable one, and its problems."""

    root: Node | None
    problems: tuple[Problem, ...] = ()


class UnreadableError(ValueError):
    """A file that cannot be read as text: says why, and in which line (0 where that means nothing)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class TooDeepError(Exception):
    """A value that is nested beyond `MAX_DEPTH`, in this line."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def read_yaml(path: pathlib.Path, shown: str) -> Parsed:
    """The file at `path`, called `shown` in problems."""
    try:
        text = read_text(path)
    except UnreadableError as error:
        return Parsed(None, (Problem(shown, error.line, "", str(error)),))
    return parse(text, shown)


def read_text(path: pathlib.Path) -> str:
    """A file's text with line ends as `\\n` and without a byte order mark. Raises UnreadableError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block for ever
            raise UnreadableError("is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableError("file not found") from None
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"is larger than {MAX_BYTES:,} bytes")
    return decode(data)


def parse(text: str, file: str, reader: "type[TreeBuilder] | None" = None) -> Parsed:
    """The one document in `text`, read by the rules of `reader`, which are strict unless it says otherwise."""
    builder = (reader or TreeBuilder)(file, _events(*_without_odd_breaks(text)))
    try:
        root = builder.document()
    except TooDeepError as error:
        return Parsed(
            None, (*builder.problems, Problem(file, error.line, "", f"nested deeper than {MAX_DEPTH} levels"))
        )
    except _TooManyProblemsError:
        return Parsed(None, tuple(builder.problems))
    except yaml.YAMLError as error:
        return Parsed(None, (*builder.problems, _syntax_problem(error, text, file)))
    return Parsed(root, tuple(builder.problems))


def resolve(word: str) -> Scalar:
    """Return the meaning of a plain word. A number beyond 64 bits stays text, because nothing here needs one."""
    if word in _NULL:
        return None
    if word in _BOOLEAN:
        return _BOOLEAN[word]
    if len(word) < 400 and _INTEGER.fullmatch(word):
        return int(word) if abs(int(word)) <= _LARGEST_INTEGER else word
    if len(word) < 400 and _FLOAT.fullmatch(word) and re.search("[0-9]", word):
        return _finite(word)
    return word


def _finite(word: str) -> float | str:
    try:
        number = float(word)
    except ValueError:  # `.e5`: a shape of the pattern without a mantissa
        return word
    return number if math.isfinite(number) else word


@dataclass(frozen=True, slots=True)
class YamlEvent:
    """A parser event as it is needed here. `plain` says that a scalar stood without quotes, `literal` behind a `|`."""

    kind: type[yaml.Event]
    line: int
    column: int
    value: str
    anchor: str | None
    tag: str | None
    plain: bool
    literal: bool

    def starts(self, *kinds: type[yaml.Event]) -> bool:
        return issubclass(self.kind, kinds)


def _without_odd_breaks(text: str) -> tuple[str, Mapping[int, str]]:
    """The text with other characters for odd line breaks, and what turns these back."""
    found = [each for each in _ODD_BREAKS if each in text]
    if not found:
        return text, {}
    free = (chr(code) for code in _PRIVATE if chr(code) not in text)
    stands = dict(zip(found, free, strict=False))
    shown = text.translate({ord(own): other for own, other in stands.items()})
    return shown, {ord(other): own for own, other in stands.items()}


def _events(text: str, back: Mapping[int, str]) -> Iterator[YamlEvent]:
    for event in yaml.parse(text, Loader=_PARSER):
        mark = event.start_mark
        yield YamlEvent(
            type(event),
            mark.line + 1 if mark else 1,
            mark.column + 1 if mark else 1,
            getattr(event, "value", "").translate(back) if back else getattr(event, "value", ""),
            getattr(event, "anchor", None),
            getattr(event, "tag", None),
            not getattr(event, "style", None),
            getattr(event, "style", None) == "|",
        )


class _TooManyProblemsError(Exception):
    """Too many problems: the rest of the file is not read."""


class TreeBuilder:
    """Turns parser events into nodes and notes what is forbidden on the way. A subclass may allow more."""

    def __init__(self, file: str, events: Iterator[YamlEvent]) -> None:
        self.problems: list[Problem] = []
        self.file = file
        self._events = events

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if event.starts(yaml.DocumentStartEvent) and root is not None:
                self.note(event, (), "a second document starts here; keep to one document a file")
                return root
            if event.starts(yaml.NodeEvent):
                root = self.node(event, ())
        if root is None or root.value is None:
            self.problems.append(Problem(self.file, 1, "", "the file is empty"))
            return None
        return root

    def node(self, event: YamlEvent, path: Path) -> Node:
        """Return the node that begins with this event."""
        if len(path) > MAX_DEPTH:
            raise TooDeepError(event.line)
        if event.starts(yaml.AliasEvent):
            return self.resolve_alias(event, path)
        node = self._at(event, self._value(event, path))
        self._check_tag(event, node, path)
        if event.anchor is not None:
            self.set_anchor(event, node, path)
        return node

    def set_anchor(self, event: YamlEvent, node: Node, path: Path) -> None:
        """Note that the node has a name, which is a mistake here."""
        self.note(event, path, f"anchors (&{event.anchor}) are not supported; write the value out each time")

    def resolve_alias(self, event: YamlEvent, path: Path) -> Node:
        """Return the node that the alias stands for: none here, as it is a mistake."""
        self.note(event, path, f"aliases (*{event.anchor}) are not supported; write the value out")
        return self._at(event, None)

    def merge(self, event: YamlEvent, value: Node, entries: dict[str, Node], path: Path) -> None:
        """Take the entries under the key `<<` into a mapping, which is a mistake here."""
        self.note(event, path, "merge keys (<<) are not supported; write the keys out")

    def _value(self, event: YamlEvent, path: Path) -> Value:
        if event.starts(yaml.SequenceStartEvent):
            return self._list(path)
        if event.starts(yaml.MappingStartEvent):
            return self._mapping(path)
        if _SURROGATE.search(event.value):
            self.note(event, path, "half of a character (a lone surrogate) is not text")
            return None
        if event.tag in _TAGGED_TEXT or (event.tag is None and not event.plain):
            return event.value
        return resolve(event.value)

    def _list(self, path: Path) -> tuple[Node, ...]:
        items: list[Node] = []
        while not (event := next(self._events)).starts(yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items))))
        return tuple(items)

    def _mapping(self, path: Path) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: list[tuple[YamlEvent, Node]] = []
        while not (event := next(self._events)).starts(yaml.MappingEndEvent):
            key = self._key(event, path)
            value = self.node(next(self._events), (*path, key))
            if key == "<<" and event.plain:
                merged.append((event, value))
                continue
            if key in entries:
                message = f"duplicate key {quoted(key)}; it is already in line {entries[key].line}"
                self.note(event, (*path, key), message)
                continue
            entries[key] = replace(value, line=event.line, column=event.column)
        for event, value in merged:  # what the mapping says itself comes first
            self.merge(event, value, entries, path)
        return entries

    def _key(self, event: YamlEvent, path: Path) -> str:
        """A key is the text that was written, whatever it looks like: `on`, `8080` and `1.10` stay themselves."""
        node = self.node(event, (*path, "?"))
        if not event.starts(yaml.ScalarEvent):
            self.note(event, path, "a key must be plain text; put it in quotes")
        elif node.value is None and not event.value:
            self.note(event, path, "a key is missing before ':'")
        return event.value

    def _check_tag(self, event: YamlEvent, node: Node, path: Path) -> None:
        if event.tag is None or event.tag in _TAGGED_TEXT:
            return
        shown = quoted(event.tag.replace(_CORE, "!!"))
        if event.tag not in _TAGS:
            self.note(event, path, f"the tag {shown} is not supported; write the value without it")
        elif not isinstance(node.value, _TAGS[event.tag]):
            self.note(event, path, f"the value is not what its tag {shown} says")

    def _at(self, event: YamlEvent, value: Value) -> Node:
        return Node(value, self.file, event.line, event.column, event.line + 1 if event.literal else 0)

    def note(self, event: YamlEvent, path: Path, message: str) -> None:
        """Note a problem at the event."""
        self.problems.append(Problem(self.file, event.line, dotted(path), message))
        if len(self.problems) > MAX_PROBLEMS:
            raise _TooManyProblemsError


def decode(data: bytes) -> str:
    """Return the text of a file, with line ends as `\\n`. Raises UnreadableError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise UnreadableError(message, line) from None
    return text.replace("\r\n", "\n")


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """The parser's complaint in one line, with what usually causes it."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        first = error.context_mark.line + 1 if error.context_mark else line
        context = f" {error.context}" if error.context else ""
        return Problem(file, line, "", f"not YAML: {error.problem}{context}{_hint(text, first, line)}")
    position = int(getattr(error, "position", 0))
    line = text.encode()[:position].count(b"\n") + 1
    return Problem(file, line, "", f"not YAML: {getattr(error, 'reason', 'a character that is not allowed')}")


def _hint(text: str, first: int, last: int) -> str:
    """Return the usual cause of a parser's error, judged by the lines it names."""
    lines = text.split("\n")[first - 1 : last]
    if lines and re.match(" *\t", lines[-1]):
        return "; indent with spaces, never with tabs"
    if any(map(_BARE_ADDRESS.match, lines)):
        return '; put an IPv6 address in quotes: listen: "[::1]:8080"'
    if any(_BARE_VARIABLE.search(line, line.find("{") + 1) for line in lines if "{" in line):
        return '; within { } a variable needs quotes: "${NAME}"'
    return ""
