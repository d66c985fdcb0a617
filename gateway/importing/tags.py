"""Tags of other template languages, written as ours: Handlebars and Mustache, and Jinja's plain ones.

What has no place in our language is refused by its name; the text around it stays as it is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_PATH: Final = r"[A-Za-z_][\w-]*+(?:\.[\w-]++)*+"
_HANDLEBARS: Final = re.compile(r"\\?(?:\{\{\{[^{}]*+\}\}\}|\{\{[^{}]*+\}\})")
_COMMENT, _COMMENT_END = "{{!--", "--}}"
_JINJA: Final = re.compile(r"\{#[^#]*+#\}|\{%[^%]*+%\}|\{\{[^{}]*+\}\}")
_ROLE: Final = re.compile(r"""role\s+["'](\w+)["']""")


class UnsupportedTag(ValueError):
    """A tag that our language does not have: which, and why."""


@dataclass(slots=True)
class Converted:
    """A text in our language: its pieces by role, the names that it uses, and what was refused, with its line."""

    messages: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class _OpenTag:
    """An open block: its kind in our language, and the name of an item in it, '' for `this`."""

    kind: str
    item: str | None = None
    is_inverted: bool = False


class TagConverter:
    """A converter of one text, which begins in that role. `refused` are helpers, each with the reason."""

    def __init__(self, text: str, role: str = "user", refused: Mapping[str, str] | None = None) -> None:
        self._text = text
        self._refused = refused or {}
        self._role = role
        self._blocks: list[_OpenTag] = []
        self._converted = Converted()

    def handlebars(self) -> Converted:
        """Convert Handlebars, dotprompt's helpers included."""
        self._text = _without_comments(self._text)
        return self._convert(_HANDLEBARS, self._handlebars_tag)

    def jinja(self) -> Converted:
        """Convert Jinja without filters, tests and statements but `if` and `for`."""
        return self._convert(_JINJA, self._jinja_tag)

    def _convert(self, tags: re.Pattern[str], convert: Callable[[str], str]) -> Converted:
        made, end = list[str](), 0
        for found in tags.finditer(self._text):
            made.append(_literal(self._text[end : found.start()]))
            end = found.end()
            if role := _ROLE.fullmatch(found[0].strip("{} \t\n")):
                self._end_message(made)
                self._role = "assistant" if role[1] == "model" else role[1]
                continue
            try:
                made.append(found[0] if found[0].startswith("\\") else convert(found[0]))
            except UnsupportedTag as error:
                line = self._text.count("\n", 0, found.start()) + 1
                self._converted.refused.append((line, f"{' '.join(found[0].split())[:60]} {error}"))
        made.append(_literal(self._text[end:]))
        self._end_message(made)
        return self._converted

    def _end_message(self, made: list[str]) -> None:
        if text := "".join(made).strip():
            self._converted.messages.append((self._role, text))
        made.clear()

    def _handlebars_tag(self, tag: str) -> str:
        inner = tag.strip("{}").strip()
        if tag.startswith("{{!"):
            return ""
        if "~" in (tag[2:3], tag[-3:-2]):
            raise UnsupportedTag("is not kept: it removes white space; write the text without it")
        word, _, rest = inner.partition(" ")
        if word in self._refused:
            raise UnsupportedTag(self._refused[word])
        if word in ("#if", "#unless", "#each"):
            return self._open(word[1:], self._handlebars_path(rest.strip()))
        if inner in ("else", "^"):
            return self._otherwise()
        if inner.startswith("/"):
            return self._close(inner[1:].strip())
        if word == "json":
            return f"{{{{{self._handlebars_path(rest.strip())}}}}}"
        return f"{{{{{self._handlebars_path(inner)}}}}}"

    def _handlebars_path(self, path: str) -> str:
        loops = sum(block.kind == "each" for block in self._blocks)
        if path in (".", "this"):
            return "this"
        if path.startswith(("this.", "this/")):
            return self._checked(f"this.{path[5:]}")
        if path.startswith("@root."):
            return self._named(path[6:])
        if path.startswith("../"):
            if loops != 1:
                raise UnsupportedTag("is not kept: an outer loop's item cannot be reached")
            return self._named(path[3:])
        return self._named(path) if not loops else self._checked(f"this.{path}")

    def _jinja_tag(self, tag: str) -> str:
        if tag.startswith("{#"):
            return ""
        inner = tag[2:-2]
        if inner[:1] in "-+" or inner[-1:] in "-+":
            raise UnsupportedTag("is not kept: it removes white space; write the text without it")
        words = inner.split()
        if tag.startswith("{{"):
            return f"{{{{{self._jinja_path(inner.strip())}}}}}"
        match words:
            case ["if", path]:
                return self._open("if", self._jinja_path(path))
            case ["for", item, "in", path]:
                opened = self._open("each", self._jinja_path(path))
                self._blocks[-1].item = item
                return opened
            case ["else"]:
                return self._otherwise()
            case ["endif"] | ["endfor"]:
                return self._close("if" if words == ["endif"] else "each")
        raise UnsupportedTag("is not kept: prompts have values, conditions and loops, and no code")

    def _jinja_path(self, path: str) -> str:
        name, dot, rest = path.partition(".")
        items = [block.item for block in self._blocks if block.item is not None]
        if name not in items:
            return self._named(path)
        if name != items[-1]:
            raise UnsupportedTag("is not kept: an outer loop's item cannot be reached")
        return self._checked(f"this{dot}{rest}")

    def _open(self, kind: str, path: str) -> str:
        self._blocks.append(_OpenTag("if" if kind == "unless" else kind, is_inverted=kind == "unless"))
        return f"{{{{#if {path}}}}}{{{{else}}}}" if kind == "unless" else f"{{{{#{kind} {path}}}}}"

    def _otherwise(self) -> str:
        if not self._blocks or self._blocks[-1].is_inverted:
            raise UnsupportedTag("is not kept: write {{#if}} in place of {{#unless}}")
        return "{{else}}"

    def _close(self, kind: str) -> str:
        wanted = "if" if kind == "unless" else kind
        if not self._blocks or self._blocks[-1].kind != wanted:
            raise UnsupportedTag("closes no block that is open")
        self._blocks.pop()
        return f"{{{{/{wanted}}}}}"

    def _named(self, path: str) -> str:
        path = self._checked(path)
        self._converted.names[path.partition(".")[0]] = None
        return path

    def _checked(self, path: str) -> str:
        if not re.fullmatch(_PATH, path):
            raise UnsupportedTag("is not kept: prompts have values, conditions and loops, and no helpers or filters")
        return path


def _without_comments(text: str) -> str:
    """Return the text without the comments that may hold tags; their lines stay."""
    parts, end = list[str](), 0
    while (start := text.find(_COMMENT, end)) >= 0:
        stop = text.find(_COMMENT_END, start)
        if stop < 0 or text[:start].endswith("\\"):
            break
        stop += len(_COMMENT_END)
        parts += [text[end:start], "\n" * text.count("\n", start, stop)]
        end = stop
    return "".join([*parts, text[end:]])


def _literal(text: str) -> str:
    """The text between tags, with braces that would begin one of ours escaped."""
    return re.sub(r"(?<!\\)\{\{", r"\\{{", text)
