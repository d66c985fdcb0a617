"""YAML of a version's file: long texts as blocks, everything else as JSON, which YAML reads, too."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_LONGEST: Final = 100  # of a value on one line


def write_yaml(content: Mapping[str, Any]) -> str:
    """Return a mapping as YAML."""
    return "".join(f"{line}\n" for line in _mapping(content, ""))


def _mapping(content: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in content.items():
        name = key if _KEY.fullmatch(key) and key.lower() not in _WORDS else _json(key)
        yield from _entry(f"{indent}{name}:", value, indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, str) and _is_block(value):
        yield f"{head} |{'' if value.endswith(chr(10)) else '-'}"
        yield from (f"{indent}  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    elif isinstance(value, dict) and value and len(_json(value)) > _LONGEST:
        yield head
        yield from _mapping(value, f"{indent}  ")
    elif isinstance(value, list) and value and len(_json(value)) > _LONGEST:
        yield head
        for item in value:
            yield from _item(item, f"{indent}  ")
    else:
        yield f"{head} {_json(value)}"


def _item(item: Any, indent: str) -> Iterator[str]:
    if not isinstance(item, dict) or not item:
        yield f"{indent}- {_json(item)}"
        return
    lines = list(_mapping(item, f"{indent}  "))
    yield f"{indent}- {lines[0].lstrip()}"
    yield from lines[1:]


def _is_block(text: str) -> bool:
    """Return whether a text can stand as a block, every character as it is."""
    body = text.removesuffix("\n")
    is_plain = all(character == "\n" or character.isprintable() for character in body)
    return "\n" in text and is_plain and bool(body) and not body.startswith((" ", "\n")) and not body.endswith("\n")


def _json(value: Any) -> str:
    """Return a value as JSON, with characters escaped that YAML does not take as they are."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
