"""A JSON request read once and changed in place: what nobody sets goes on byte for byte.

Re-encoding a body would respell numbers, round integers beyond 2^53 and refuse lone surrogates. So a `Document` keeps
the source text of every top-level member beside its value, and writes the text back. RFC 8259; stricter than
`json.loads`: no NaN, no duplicate top-level names, nothing behind the value.
"""

import json
import re
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, NoReturn

from gateway.errors import BodyTooLarge, CallerError
from gateway.json_size import CONTAINER, MOST_VALUES, holds_more

_space = re.compile(r"[ \t\n\r]*").match  # a body of nothing but spaces must not cost a loop per character
_opening = re.compile(r"[ \t\n\r]*\{[ \t\n\r]*").match
_plain_name = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match  # up to the value; without escapes
_mark = re.compile(r"[ \t\n\r]*([,}])[ \t\n\r]*").match
_next_plain_name = re.compile(r'[ \t\n\r]*,[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match


class NotJson(CallerError):
    """The body is not one JSON object in UTF-8."""

    code = "invalid_json"


class TooManyValues(BodyTooLarge):
    """The body would take too much memory and time, however few its bytes are."""

    code = "too_many_values"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"the body holds more than {most} values (an array or object counts as {CONTAINER}); send less"
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_encode = json.JSONEncoder(separators=(",", ":")).encode
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_scan = _decoder.raw_decode
# The same without a frame of Python's around it, for the value of each member; raises StopIteration where none begins.
_scan_once: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]


class Document:
    """A JSON object: `values` by name, and `texts`, the source text of each value."""

    __slots__ = ("texts", "values")

    def __init__(self, values: dict[str, Any], texts: dict[str, str]) -> None:
        self.values = values
        self.texts = texts

    @classmethod
    def parse(cls, body: bytes, most: int = MOST_VALUES) -> "Document":
        """Read a body of at most so many values. Raises NotJson or TooManyValues, never anything else."""
        if len(body) * CONTAINER > most and holds_more(body, most):
            raise TooManyValues(most)
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise NotJson(f"the body is not UTF-8: byte {error.start}") from None
        try:
            return cls._read(text)
        except RecursionError:
            raise NotJson("the body is nested too deeply") from None
        except StopIteration as missing:
            raise NotJson(f"the body is not valid JSON: Expecting value at character {missing.value}") from None
        except ValueError as error:
            raise NotJson(f"the body is not valid JSON: {_explain(error)}") from None

    @classmethod
    def _read(cls, text: str) -> "Document":
        opening = _opening(text)
        if opening is None:
            _scan(text, _skip(text, 0))  # says what is wrong when it is not JSON at all
            raise ValueError("the body must be a JSON object")
        document = cls({}, {})
        index = opening.end()
        end = _skip(text, index + 1) if text.startswith("}", index) else document._read_members(text, index)
        if end != len(text):
            raise ValueError("extra text after the JSON object")
        return document

    def _read_members(self, text: str, index: int) -> int:
        """Read all members, the first of which begins at `index`; the index of what follows the closing brace."""
        values, texts = self.values, self.texts
        plain = _plain_name(text, index)
        while True:
            name, start = (plain[1], plain.end()) if plain else _odd_name(text, index)
            value, end = _scan_once(text, start)
            if name in values:
                raise ValueError(f"duplicate name {name!r}")
            values[name] = value
            texts[name] = text[start:end]
            plain = _next_plain_name(text, end)
            if plain is None:
                mark = _mark(text, end)
                if mark is None:
                    raise ValueError(f"expected ',' at character {_skip(text, end)}")
                index = mark.end()
                if mark[1] == "}":
                    return index
                plain = _plain_name(text, index)

    def render(self, changes: Mapping[str, str | None]) -> bytes:
        """The object as bytes, with the members in `changes` set to that JSON text, or left out where it is None.

        A member that differs from a changed one in case alone is left out: a reader that heeds no case (Go's) would
        take it instead.
        """
        texts = {**self.texts, **changes}
        names = "".join(self.texts)
        if not (names.isascii() and names == names.lower()):
            texts = _without_twins(texts, changes)
        return _object(texts).encode()


def _without_twins(texts: Mapping[str, str | None], changes: Mapping[str, str | None]) -> dict[str, str | None]:
    changed = set(map(str.casefold, changes))
    return {name: text for name, text in texts.items() if name in changes or name.casefold() not in changed}


def elements(text: str) -> list[str]:
    """The source text of each element of a JSON array that was already found valid."""
    found: list[str] = []
    index = _skip(text, 1)
    while text[index] != "]":
        _, end = _scan(text, index)
        found.append(text[index:end])
        index = _skip(text, end)
        if text[index] == ",":
            index = _skip(text, index + 1)
    return found


def array(texts: list[str]) -> str:
    """A JSON array of those source texts."""
    return f"[{','.join(texts)}]"


def encode(value: object) -> str:
    """Compact JSON in ASCII: lone surrogates stay what they were. Raises NotJson for what is nested too deeply."""
    try:
        return _encode(value)
    except RecursionError:  # the stack here may be deeper than it was where the value was read
        raise NotJson("the body is nested too deeply") from None


def _odd_name(text: str, index: int) -> tuple[str, int]:
    """The name of the member at `index`, which may hold escapes, and where its value begins."""
    if text[index : index + 1] != '"':
        raise ValueError(f"expected a name in double quotes at character {index}")
    name, end = _scan(text, index)
    colon = _skip(text, end)
    if text[colon : colon + 1] != ":":
        raise ValueError(f"expected ':' at character {colon}")
    return name, _skip(text, colon + 1)


def _skip(text: str, index: int) -> int:
    """The index of the next character that is no white space."""
    space = _space(text, index)
    return space.end() if space else index


def _object(texts: Mapping[str, str | None]) -> str:
    members = [f"{encode_basestring_ascii(name)}:{text}" for name, text in texts.items() if text is not None]
    return "{" + ",".join(members) + "}"


def _explain(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return str(error)
