"""Read the content blocks of a client's Messages request.

What a block says beyond what any format can say goes to `extras`, under its place in the request.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.formats import values
from gateway.formats.anthropic import NAME
from gateway.formats.prompt import Media, MediaKind, Part, Reasoning, Text, ToolCall, ToolResult
from gateway.json_body import encode

Json = Mapping[str, Any]
Extras = dict[str, Any]

_SOURCES: Mapping[str, tuple[str, ...]] = {
    "image": ("base64", "url", "file"),
    "file": ("base64", "url", "file", "text"),
}
# Members that say nothing about the answer: marks of what was quoted, and who called a function.
_MEANINGLESS = frozenset({"type", "cache_control", "citations", "caller"})


def content(value: object, param: str, extras: Extras) -> tuple[Part, ...]:
    """A turn's content: text, or a list of blocks. Raises CallerError for what is neither."""
    if isinstance(value, str):
        return (Text(value),) if value else ()
    if not isinstance(value, list):
        raise values.wrong(param, "text or a list of blocks")
    return tuple(part for index, block in enumerate(value) for part in _parts(block, f"{param}[{index}]", extras))


def texts(value: object, param: str) -> tuple[Text, ...]:
    """A system prompt: text, or a list of text blocks."""
    extras: Extras = {}
    parts = content(value, param, extras)
    found = tuple(part for part in parts if isinstance(part, Text))
    if len(found) != len(parts) or extras:
        raise values.wrong(param, "text or a list of text blocks")
    return found


def keep_unknown(members: Json, known: Iterable[str], param: str, extras: Extras) -> None:
    """Put the members that are not known, and say something, to the extras."""
    for name, value in members.items():
        if name not in known and value is not None:
            extras[f"{param}.{name}"] = value


def is_cached(members: Json) -> bool:
    return members.get("cache_control") is not None


def _parts(value: object, param: str, extras: Extras) -> tuple[Part, ...]:
    block = values.members(value, param)
    kind = values.text(block.get("type"), f"{param}.type")
    if kind not in _READERS:
        extras[f"{param}.type"] = kind
        return ()
    read, known = _READERS[kind]
    keep_unknown(block, _MEANINGLESS | known, param, extras)
    return read(block, param, extras)


def _text(block: Json, param: str, _extras: Extras) -> tuple[Part, ...]:
    said = values.text(block.get("text"), f"{param}.text")
    return (Text(said, cache=is_cached(block)),) if said else ()


def _image(block: Json, param: str, extras: Extras) -> tuple[Part, ...]:
    return (_media(block, "image", f"{param}.source", extras),)


def _document(block: Json, param: str, extras: Extras) -> tuple[Part, ...]:
    citations = block.get("citations")
    if isinstance(citations, dict) and citations.get("enabled"):
        extras[f"{param}.citations"] = citations
    source = values.members(block.get("source"), f"{param}.source")
    if source.get("type") == "content":
        return content(source.get("content"), f"{param}.source.content", extras)
    return (_media(block, "file", f"{param}.source", extras),)


def _media(block: Json, kind: MediaKind, param: str, extras: Extras) -> Media:
    source = values.members(block.get("source"), param)
    name, cache = values.optional_text(block, "title", param), is_cached(block)
    match values.one_of(source.get("type"), f"{param}.type", _SOURCES[kind]):
        case "url":
            url = values.text(source.get("url"), f"{param}.url")
            mime = "application/pdf" if kind == "file" else ""
            return Media(kind, mime=mime, url=url, name=name, cache=cache)
        case "file":
            return Media(kind, file_id=values.text(source.get("file_id"), f"{param}.file_id"), name=name, cache=cache)
        case "text":
            raw = values.text(source.get("data"), f"{param}.data").encode(errors="replace")
            return Media(kind, mime="text/plain", data=b64encode(raw).decode(), name=name, cache=cache)
    mime = values.text(source.get("media_type"), f"{param}.media_type")
    return Media(kind, mime=mime, data=values.text(source.get("data"), f"{param}.data"), name=name, cache=cache)


def _search_result(block: Json, param: str, extras: Extras) -> tuple[Part, ...]:
    """Return a search result as text: its title, source and content."""
    citations = block.get("citations")
    if isinstance(citations, dict) and citations.get("enabled"):
        extras[f"{param}.citations"] = citations
    head = [values.text(block.get(name), f"{param}.{name}") for name in ("title", "source")]
    said = [text.text for text in texts(block.get("content"), f"{param}.content")]
    return (Text("\n".join([*head, *said]), cache=is_cached(block)),)


def _tool_reference(block: Json, param: str, _extras: Extras) -> tuple[Part, ...]:
    """A function that a search has found: all are known from the beginning here."""
    return (Text(f"The function {values.text(block.get('tool_name'), f'{param}.tool_name')} is available."),)


def _thinking(block: Json, param: str, _extras: Extras) -> tuple[Part, ...]:
    signature = values.optional_text(block, "signature", param)
    thought = values.text(block.get("thinking"), f"{param}.thinking")
    return (Reasoning(thought, signature, signed_by=NAME if signature else None),)


def _redacted(block: Json, param: str, _extras: Extras) -> tuple[Part, ...]:
    return (Reasoning(encrypted=values.text(block.get("data"), f"{param}.data"), signed_by=NAME),)


def _tool_use(block: Json, param: str, _extras: Extras) -> tuple[Part, ...]:
    arguments = encode(values.members(block.get("input"), f"{param}.input"))
    call_id = values.text(block.get("id"), f"{param}.id")
    return (ToolCall(call_id, values.text(block.get("name"), f"{param}.name"), arguments, cache=is_cached(block)),)


def _tool_result(block: Json, param: str, extras: Extras) -> tuple[Part, ...]:
    said = block.get("content")
    parts = () if said is None else content(said, f"{param}.content", extras)
    if not all(isinstance(part, (Text, Media)) for part in parts):
        raise values.wrong(f"{param}.content", "text, images and documents")
    failed = block.get("is_error")
    return (
        ToolResult(
            values.text(block.get("tool_use_id"), f"{param}.tool_use_id"),
            tuple(part for part in parts if isinstance(part, (Text, Media))),
            is_error=failed is not None and values.flag(failed, f"{param}.is_error"),
            cache=is_cached(block),
        ),
    )


_Read = Callable[[Json, str, Extras], tuple[Part, ...]]
# Each kind's reader, and the members that it knows.
_READERS: Mapping[str, tuple[_Read, frozenset[str]]] = {
    "text": (_text, frozenset({"text"})),
    "image": (_image, frozenset({"source"})),
    "document": (_document, frozenset({"source", "title"})),
    "search_result": (_search_result, frozenset({"title", "source", "content"})),
    "tool_reference": (_tool_reference, frozenset({"tool_name"})),
    "thinking": (_thinking, frozenset({"thinking", "signature"})),
    "redacted_thinking": (_redacted, frozenset({"data"})),
    "tool_use": (_tool_use, frozenset({"id", "name", "input"})),
    "tool_result": (_tool_result, frozenset({"tool_use_id", "content", "is_error"})),
}
