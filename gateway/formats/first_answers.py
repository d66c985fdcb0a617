"""The first answer of a conversation, as the model gave it and as its client repeats it: what tells two conversations
with one opening apart.

Only its first characters count, with even spaces; of an answer without text the id of its first tool call.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson

_CHARACTERS = 200
_ASSISTANTS = ("assistant", "model")
_DATA = b"data:"


def first_answer_in(values: Mapping[str, Any]) -> str | None:
    """Return the first answer in a request's history, None where the request has none; never raises."""
    for name in ("messages", "input", "contents"):
        if isinstance(items := values.get(name), list):
            for item in items:
                if isinstance(item, dict) and (item.get("role") in _ASSISTANTS or item.get("type") == "function_call"):
                    return _brief(_said(item))
            return None
    return None


def first_answer_of(answer: bytes) -> str:
    """Return the same of an answer's bytes: whole, or the beginning of a stream. '' where it is not found."""
    values = _values(answer)
    return _brief(part for value in values for part in _pieces(value))


def _values(answer: bytes) -> Iterator[Mapping[str, Any]]:
    texts = [answer] if answer.lstrip().startswith(b"{") else _events(answer)
    for text in texts:
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(text)
            if isinstance(value, dict):
                yield value


def _events(answer: bytes) -> Iterable[bytes]:
    lines = answer.splitlines()
    return (line.removeprefix(_DATA) for line in lines if line.startswith(_DATA))


def _pieces(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the texts and ids in a whole answer or an event of a stream, in whichever format."""
    for choice in _dicts(value.get("choices"))[:1] + _dicts(value.get("candidates"))[:1]:
        for said in (choice.get("message"), choice.get("delta"), choice.get("content")):
            if isinstance(said, dict):
                yield from _said(said)
    for item in _dicts(value.get("output"))[:8]:
        if item.get("type") in ("message", "function_call"):
            yield from _said(item)
            return
    kind = value.get("type")
    if kind == "message":
        yield from _said(value)
    elif kind == "response.output_text.delta":
        yield "text", _text(value.get("delta"))
    elif kind == "content_block_delta":
        yield from _said({"content": [{"type": "text", **_dict(value.get("delta"))}]})
    elif kind in ("content_block_start", "response.output_item.added"):
        item = _dict(value.get("content_block")) or _dict(value.get("item"))
        yield "id", _text(item.get("call_id")) or (_text(item.get("id")) if item.get("type") == "tool_use" else "")


def _said(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the texts of a message, and the ids of its tool calls."""
    content = message.get("content")
    yield "text", _text(content)
    for part in _dicts(content) + _dicts(message.get("parts")):
        if not part.get("thought"):
            yield "text", _text(part.get("text"))
        if part.get("type") == "tool_use":
            yield "id", _text(part.get("id"))
    for call in _dicts(message.get("tool_calls")):
        yield "id", _text(call.get("id"))
    yield "id", _text(message.get("call_id"))


def _brief(pieces: Iterable[tuple[str, str]]) -> str:
    texts, first_id, length = list[str](), "", 0
    for kind, piece in pieces:
        if kind == "text":
            texts.append(piece)
            length += len(piece)
        first_id = first_id or (piece if kind == "id" else "")
        if length > 4 * _CHARACTERS:
            break
    return " ".join("".join(texts).split())[:_CHARACTERS] or first_id


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
