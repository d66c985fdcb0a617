"""The template language: a subset of dotprompt's Handlebars, parsed once when a version is loaded.

    {{name}} {{name.field}}      a value, as it is: nothing is escaped, and nothing in it is expanded
    {{#if name}}…{{else}}…{{/if}}
    {{#each name}}…{{this}} {{this.field}}…{{else}}…{{/each}}
    \\{{                          two braces; \\\\{{ is a backslash before a placeholder

A block's tag that stands alone on its line takes the line with it, as in Handlebars. Everything else between braces is
refused by name. A text without variables is fixed: there, only what would be a placeholder is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from routing.agents import PromptInput

MOST_NESTED: Final = 8  # blocks within blocks
THIS: Final = "this"
RESERVED: Final = frozenset({THIS, "else"})  # words of the language, and so no names
INPUT_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
_PATH: Final = r"[A-Za-z_][A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]++)*+"
_TAG: Final = re.compile(
    rf"\{{\{{\s*+(?:#(?P<block>if|each)\s++(?P<of>{_PATH})|(?P<otherwise>else)(?![\w.-])|/(?P<end>if|each)"
    rf"|(?P<value>{_PATH}))\s*+\}}\}}"
)
_LINE_REST: Final = re.compile(r"[ \t]*+(?:\r?\n|\Z)")  # behind a tag that is the last on its line
_MOST_FIELDS: Final = 8
_SHOWN: Final = 40  # characters of a tag in a message

Path: TypeAlias = tuple[str, ...]
Part: TypeAlias = "str | Value | Conditional | Loop"
Body: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A placeholder. The first name of the path is an input's, or `this`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Conditional:
    """Text for a value that is not empty, and other text for one that is."""

    path: Path
    body: Body
    otherwise: Body


@dataclass(frozen=True, slots=True)
class Loop:
    """Text for each item of a value, and other text for a value without items."""

    path: Path
    body: Body
    otherwise: Body


class TemplateError(ValueError):
    """A template that cannot be used: why, and in which of its lines, from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag in a template's text: where it begins and ends, and what it is."""

    start: int
    end: int
    kind: str
    path: Path = ()


def parse(text: str, inputs: Mapping[str, PromptInput]) -> Body:
    """Return the template's parts. Raises TemplateError."""
    return _TemplateParser(text, inputs).body()


class _OpenBlock:
    """A block that is being read, or the whole text around all blocks."""

    def __init__(self, tag: _Tag, path: Path) -> None:
        self.tag = tag
        self.has_otherwise = False
        self._path = path
        self._parts: tuple[list[Part], list[Part]] = ([], [])

    @property
    def is_loop(self) -> bool:
        """Return whether `this` is an item here: it is none where there are no items."""
        return self.tag.kind == "each" and not self.has_otherwise

    def add(self, part: "Part") -> None:
        self._parts[self.has_otherwise].append(part)

    def body(self) -> Body:
        return tuple(self._parts[0])

    def node(self) -> "Conditional | Loop":
        kind = Loop if self.tag.kind == "each" else Conditional
        return kind(self._path, self.body(), tuple(self._parts[1]))


class _TemplateParser:
    """A reader of one template."""

    def __init__(self, text: str, inputs: Mapping[str, PromptInput]) -> None:
        self._text = text
        self._inputs = inputs
        self._open = [_OpenBlock(_Tag(0, 0, "text"), ())]

    def body(self) -> Body:
        for part in _without_tag_lines(list(self._pieces())):
            if isinstance(part, str):
                if part:
                    self._open[-1].add(part)
            else:
                self._take(part)
        if len(self._open) > 1:
            tag = self._open[-1].tag
            raise self._wrong(f"{self._shown(tag)} is not closed: write {{{{/{tag.kind}}}}}", tag.start)
        return self._open[0].body()

    def _take(self, tag: _Tag) -> None:
        if not self._inputs:
            message = "is a placeholder, but no `inputs` are declared; declare them, or write \\{{ for two braces"
            raise self._wrong(f"{self._shown(tag)} {message}", tag.start)
        block = self._open[-1]
        if tag.kind == "value":
            block.add(Value(self._checked(tag)))
        elif tag.kind in ("if", "each"):
            if len(self._open) > MOST_NESTED:
                raise self._wrong(f"{self._shown(tag)} stands in more than {MOST_NESTED} other blocks", tag.start)
            self._open.append(_OpenBlock(tag, self._checked(tag)))
        elif block.tag.kind == "text" or (tag.kind == "else" and block.has_otherwise):
            raise self._wrong(f"{self._shown(tag)} belongs to no block", tag.start)
        elif tag.kind == "else":
            block.has_otherwise = True
        elif tag.kind != f"/{block.tag.kind}":
            message = f"{self._shown(tag)} does not close {self._shown(block.tag)}"
            raise self._wrong(message, tag.start)
        else:
            self._open.pop()
            self._open[-1].add(block.node())

    def _checked(self, tag: _Tag) -> Path:
        """Return the tag's path if it leads to a value. Raises TemplateError."""
        name, *fields = tag.path
        if len(fields) > _MOST_FIELDS:
            raise self._wrong(f"{self._shown(tag)} names more than {_MOST_FIELDS} fields", tag.start)
        if name == THIS:
            if not any(block.is_loop for block in self._open):
                raise self._wrong(f"{self._shown(tag)} stands in no {{{{#each}}}}", tag.start)
            return tag.path
        declared = self._inputs.get(name)
        if declared is None:
            raise self._wrong(self._undeclared(tag, name), tag.start)
        if fields and declared.type != "object":
            hint = "; {{#each}} goes through it, and {{#if}} is false where it is empty" * (declared.type == "array")
            raise self._wrong(f"{self._shown(tag)}: {name} is of type {declared.type}, without fields{hint}", tag.start)
        if tag.kind == "each" and not fields and declared.type not in ("array", "object"):
            raise self._wrong(f"{self._shown(tag)}: {name} is of type {declared.type}, without items", tag.start)
        return tag.path

    def _undeclared(self, tag: _Tag, name: str) -> str:
        if any(block.is_loop for block in self._open):
            field = ".".join((THIS, *tag.path))
            return f"{self._shown(tag)} is not declared below `inputs`; a field of the item is {{{{{field}}}}}"
        return f"{self._shown(tag)} is not declared below `inputs`; declare {name}, or write \\{{{{ for two braces"

    def _pieces(self) -> Iterator[str | _Tag]:
        """Yield texts and tags in turn, a text first and last."""
        text, start, at = self._text, 0, 0
        literal: list[str] = []
        while (at := text.find("{{", at)) >= 0:
            before = text[max(start, at - 2) : at]
            if before.endswith("\\") and before != "\\\\":
                literal.append(text[start : at - 1])
                start, at = at, at + 2
                continue
            tag = self._tag_at(at)
            if tag is None:
                at += 1
                continue
            yield "".join((*literal, text[start : at - (before == "\\\\")]))
            yield tag
            literal.clear()
            start = at = tag.end
        yield "".join((*literal, text[start:]))

    def _tag_at(self, at: int) -> _Tag | None:
        """Return the tag there; None for braces of a fixed text. Raises TemplateError."""
        found = _TAG.match(self._text, at)
        if found is None:
            if self._inputs:
                raise self._wrong(self._unknown(at), at)
            return None
        named = found.groupdict()
        path = tuple((named["of"] or named["value"] or "").split("."))
        if named["otherwise"]:
            return _Tag(at, found.end(), "else")
        if named["end"]:
            return _Tag(at, found.end(), f"/{named['end']}")
        return _Tag(at, found.end(), named["block"] or "value", path)

    def _unknown(self, at: int) -> str:
        """Say why the braces there are no tag."""
        end = self._text.find("}}", at)
        if end < 0:
            return "{{ is not closed: write }}, or \\{{ for two braces"
        shown = _short(self._text[at : end + 2])
        inner = self._text[at + 2 : end].strip()
        for begins, hint in _HINTS:
            if inner.startswith(begins):
                return f"{shown} is not supported: {hint}"
        known = "{{name}}, {{name.field}}, {{#if name}} and {{#each name}}"
        return f"{shown} is no placeholder; known: {known}; write \\{{{{ for two braces"

    def _shown(self, tag: _Tag) -> str:
        return _short(self._text[tag.start : tag.end])

    def _wrong(self, message: str, at: int) -> TemplateError:
        return TemplateError(message, self._text.count("\n", 0, at) + 1)


_HINTS: Final = (
    ("{", "nothing is escaped, so two braces do"),
    ("#if", "write one name behind it, such as {{#if plan}}"),
    ("#each", "write one name behind it, such as {{#each orders}}"),
    ("#unless", "write {{#if name}}{{else}}…{{/if}}"),
    ("#with", "write the whole path, such as {{customer.name}}"),
    ("else", "write another {{#if}} within the {{else}}"),
    ("!", "leave the comment out, or write it in YAML"),
    (">", "there are no partials; write the text out"),
    ("~", "put the tag of a block on a line of its own; the line goes with it"),
    ("..", "names of inputs need no way up: write the name alone"),
    ("@", "a loop has no counters"),
    ("#", "known blocks: #if and #each"),
)


def _without_tag_lines(pieces: list[str | _Tag]) -> Iterator[str | _Tag]:
    """Yield texts and tags without the lines on which nothing but one block's tag stands."""
    starts, ends = [0] * len(pieces), [0] * len(pieces)
    for at, tag in enumerate(pieces):
        before, behind = pieces[at - 1], pieces[min(at + 1, len(pieces) - 1)]
        if isinstance(tag, str) or tag.kind == "value" or not (isinstance(before, str) and isinstance(behind, str)):
            continue
        head = before.rstrip(" \t")
        rest = _LINE_REST.match(behind)
        is_first = head.endswith("\n") or (not head and at == 1)
        if is_first and rest is not None and (rest[0].endswith("\n") or at + 2 == len(pieces)):
            ends[at - 1], starts[at + 1] = len(before) - len(head), rest.end()
    for piece, start, end in zip(pieces, starts, ends, strict=True):
        yield piece[start : len(piece) - end] if isinstance(piece, str) else piece


def _short(tag: str) -> str:
    line = " ".join(tag.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
