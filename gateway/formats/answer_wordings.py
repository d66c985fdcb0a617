"""The answers of a conversation, as the model gave them and as its client repeats them: what tells two conversations
with one opening apart.

Clients change what they repeat: they leave the thinking out, cut the text, put a name before it. So an answer has a
wording: its beginning, its end, and the id of its first tool call.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

_START = 200  # characters that tell an answer from others
_END = 24
_ENOUGH = 4 * _START  # of an answer's text, for spaces are made even
_STARTS = (32, 8)  # characters that are left of an answer which its client cuts, the longest first
_MEMBERS = ("messages", "input", "contents")
_ASSISTANTS = ("assistant", "model")
_ANSWERS = ("function_call", "model_output")  # items and steps without a role
_DATA = b"data:"
_THOUGHT = re.compile(r"\s*<(?:think|thinking|thought|reasoning)>")
_END_OF_THOUGHT = re.compile(r"</(?:think|thinking|thought|reasoning)>")
_SPEAKER = re.compile(r"[^\W\d_][\w .-]{0,30}:\s+")


class AnswerWording(NamedTuple):
    """Wording by which an answer is known again: its first and last characters with even spaces.

    `call_id` is the id of its first tool call. `end` is empty where the end is not known.
    """

    start: str
    end: str
    call_id: str

    def exact(self) -> list[str]:
        """Return the keys of an answer that is repeated as it was."""
        return [*([f"#{self.call_id}"] if self.call_id else ()), *([f"={self.start}"] if self.start else ())]

    def loose(self) -> list[str]:
        """Return the keys of an answer of which a part is left: two answers have them in common more often."""
        starts = [f"<{self.start[:length]}" for length in _STARTS if len(self.start) >= length]
        return [*starts[:1], *([f">{self.end}"] if len(self.end) == _END else ()), *starts[1:]]


def answers_in(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the assistant's items in a request's history, in their order; never raises."""
    return [item for item in _items(values) if _is_answer(item)]


def has_answer(values: Mapping[str, Any]) -> bool:
    """Return whether a request has a history."""
    items = values.get("messages") or values.get("input") or values.get("contents")
    if not isinstance(items, list):
        return False
    for item in items:  # every call passes here: no function and no generator for each item
        if isinstance(item, dict) and (item.get("role") in _ASSISTANTS or item.get("type") == "function_call"):
            return True
    return False


def is_prefilled(values: Mapping[str, Any]) -> bool:
    """Return whether the request ends with the beginning of its answer."""
    items = _items(values)
    return bool(items) and _is_answer(items[-1])


def length_of(values: Mapping[str, Any]) -> int:
    """Return how many items the conversation has so far."""
    return len(_items(values))


def wording_in(item: Mapping[str, Any]) -> AnswerWording:
    """Return the wording of an answer in a history."""
    return _worded(*_joined(_said(item)))


def without_speaker(wording: AnswerWording) -> AnswerWording | None:
    """Return the wording without a name before it; None where there is none."""
    named = _SPEAKER.match(wording.start)
    return wording._replace(start=wording.start[named.end() :]) if named else None


def wording_of(head: bytes, tail: bytes = b"", prefilled: str = "") -> AnswerWording:
    """Return the wording of an answer's bytes, without its end: of a whole answer, or of a stream's head and tail.

    `prefilled` is what the request has put before it. No more is read than is needed.
    """
    text, call_id = _joined((part for value in _values(head) for part in _pieces(value)), _ENOUGH)
    if tail and _THOUGHT.match(text) and not _END_OF_THOUGHT.search(text):
        text = _text_of(tail)
        text = text if _END_OF_THOUGHT.search(text) else ""
    return AnswerWording(_even(_answered(prefilled + text)[: 2 * _START])[:_START], "", call_id)


def end_of(head: bytes, tail: bytes = b"", prefilled: str = "") -> str:
    """Return the end of the answer's wording."""
    text = _text_of(tail) if tail else _joined(part for value in _values(head) for part in _pieces(value))[0]
    return _worded(text if tail else prefilled + text, "").end


def text_in(item: Mapping[str, Any]) -> str:
    """Return the text of an answer in a history."""
    return _joined(_said(item))[0]


def _items(values: Mapping[str, Any]) -> list[Any]:
    for name in _MEMBERS:
        if isinstance(items := values.get(name), list):
            return items
    return []


def _is_answer(item: Any) -> bool:
    return isinstance(item, dict) and (item.get("role") in _ASSISTANTS or item.get("type") in _ANSWERS)


def _worded(text: str, call_id: str) -> AnswerWording:
    """Return the wording of a text, of which the model's thinking is no part."""
    text = _answered(text)
    return AnswerWording(_even(text[: 2 * _START])[:_START], _even(text[-2 * _END :])[-_END:], call_id)


def _answered(text: str) -> str:
    """Return the text without the model's thinking."""
    if "</" in text and (thought := _END_OF_THOUGHT.search(text)):
        return text[thought.end() :]
    return "" if "<" in text and _THOUGHT.match(text) else text


def _even(text: str) -> str:
    return " ".join(text.split())


def _text_of(tail: bytes) -> str:
    """Return the text at the end of a stream, whose first line may be broken."""
    return _joined(part for value in _values(b":" + tail) for part in _pieces(value))[0]


def _joined(pieces: Iterable[tuple[str, str]], enough: int = sys.maxsize) -> tuple[str, str]:
    """Return the text, or so many characters and the model's thinking before them, and the first id."""
    texts, first_id, length = list[str](), "", 0
    for kind, piece in pieces:
        if kind != "text":
            first_id = first_id or piece
            continue
        texts.append(piece)
        length += len(piece)
        if length > enough:
            text = "".join(texts)
            if not _THOUGHT.match(text):
                break
            thought = _END_OF_THOUGHT.search(text)
            length = len(text) - thought.end() if thought else 0
            texts = [text]
            if length > enough:
                break
    return "".join(texts), first_id


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
    for step in _dicts(value.get("steps"))[:8]:
        if step.get("type") in _ANSWERS:
            yield from _said(step)
            return
    kind = value.get("type") or value.get("event_type")
    if kind == "message":
        yield from _said(value)
    elif kind == "response.output_text.delta":
        yield "text", _text(value.get("delta"))
    elif kind == "content_block_delta":
        yield from _said({"content": [{"type": "text", **_dict(value.get("delta"))}]})
    elif kind == "step.delta":
        delta = _dict(value.get("delta"))
        yield "text", _text(delta.get("text")) if delta.get("type") == "text" else ""
    elif kind == "step.start":
        yield from _said(_dict(value.get("step")))
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
    if message.get("type") == "function_call":
        yield "id", _text(message.get("id"))


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
