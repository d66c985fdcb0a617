"""The items of an answer as it grows, and the events of a stream that tell of them, less their sequence numbers.

A message or a reasoning item is open until something else comes; calls are open to the end, since their arguments may
come in turns.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.formats.answer import ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.marks import Seal, item_id, seal
from gateway.formats.openai_responses import NAME
from gateway.formats.openai_responses._tools import input_text
from gateway.formats.prompt import Media
from gateway.formats.protocol import Envelope

Json = dict[str, Any]

# What holds the words of a part, and how the events of it are called.
_WORDS: Mapping[str, tuple[str, str]] = {
    "output_text": ("text", "response.output_text"),
    "refusal": ("refusal", "response.refusal"),
}


class OutputItems:
    """Items of one answer, in their order; complete after `close`."""

    __slots__ = ("_call_id", "_calls", "_index", "_logprobs", "_pieces", "_text_tools", "items")

    def __init__(self, envelope: Envelope) -> None:
        self.items: list[Json] = []
        self._call_id = envelope.call_id
        self._text_tools = frozenset(tool.name for tool in envelope.prompt.tools if tool.is_text)
        self._index: int | None = None  # of the item that is open
        self._pieces: list[str] = []  # of the part of it that is open
        self._logprobs: list[Json] = []
        self._calls: dict[int, tuple[int, list[str]]] = {}

    def text(self, delta: TextDelta) -> Iterator[Json]:
        yield from self._said("output_text", delta.text, _logprobs(delta.logprobs))

    def refusal(self, delta: RefusalDelta) -> Iterator[Json]:
        yield from self._said("refusal", delta.text, [])

    def reasoning(self, delta: ReasoningDelta) -> Iterator[Json]:
        """A piece of thought. What signs it closes its item."""
        if self._open_type() != "reasoning":
            yield from self._open("reasoning", "rs", delta.id, summary=[])
        if delta.text:
            if not self._pieces:
                part = {"type": "summary_text", "text": ""}
                yield self._of_item("response.reasoning_summary_part.added", summary_index=0, part=part)
            self._pieces.append(delta.text)
            yield self._of_item("response.reasoning_summary_text.delta", summary_index=0, delta=delta.text)
        if sealed := _sealed(delta):
            self._item()["encrypted_content"] = sealed
            yield from self.close_open()

    def begin_call(self, begin: ToolBegin) -> Iterator[Json]:
        """A call begins. What its provider wants back with it stands in a reasoning item before it."""
        call_id = begin.id or item_id("call", self._call_id, len(self.items))
        if begin.signature and begin.signed_by and begin.signed_by != NAME:
            yield from self._open("reasoning", "rs", "", summary=[])
            self._item()["encrypted_content"] = seal(Seal(begin.signed_by, begin.signature, call_id=call_id))
        if begin.name in self._text_tools:
            yield from self._open("custom_tool_call", "ctc", "", call_id=call_id, name=begin.name, input="")
        else:
            yield from self._open("function_call", "fc", "", call_id=call_id, name=begin.name, arguments="")
        self._calls[begin.index] = (len(self.items) - 1, [])
        self._index = None

    def call_arguments(self, delta: ToolDelta) -> Iterator[Json]:
        index, pieces = self._calls[delta.index]
        if delta.arguments:
            pieces.append(delta.arguments)
            if self.items[index]["type"] != "function_call":
                return  # text inside JSON, which is read when it is whole
            yield self._event("response.function_call_arguments.delta", index, delta=delta.arguments)

    def image(self, media: Media) -> None:
        """An image that a model of another format made; only whole answers have any."""
        item = {"type": "image_generation_call", "id": self._new_id("ig"), "status": "completed", "result": media.data}
        if (kind := media.mime.rpartition("/")[2]) in ("png", "jpeg", "webp"):
            item["output_format"] = kind
        self.items.append(item)

    def close(self, status: str) -> Iterator[Json]:
        """The answer is whole. `status` is that of the items that were still open, completed or incomplete."""
        yield from self.close_open(status)
        for index, pieces in self._calls.values():
            if self.items[index]["type"] != "function_call":
                yield from self._close_text(index, input_text("".join(pieces)), status)
                continue
            if not pieces:  # what some formats write for no arguments
                pieces.append("{}")
                yield self._event("response.function_call_arguments.delta", index, delta="{}")
            arguments = "".join(pieces)
            yield self._event("response.function_call_arguments.done", index, arguments=arguments)
            self.items[index].update(arguments=arguments, status=status)
            yield self._item_done(index)

    def _close_text(self, index: int, text: str, status: str) -> Iterator[Json]:
        """A call of a tool whose input is text is whole."""
        yield self._event("response.custom_tool_call_input.delta", index, delta=text)
        yield self._event("response.custom_tool_call_input.done", index, input=text)
        self.items[index].update(input=text, status=status)
        yield self._item_done(index)

    def close_open(self, status: str = "completed") -> Iterator[Json]:
        """Close the message or the reasoning that is open, if any is."""
        if self._index is None:
            return
        item = self._item()
        if item["type"] == "message":
            yield from self._close_part()
            item["status"] = status
        elif self._pieces:
            part = {"type": "summary_text", "text": self._take_pieces()}
            yield self._of_item("response.reasoning_summary_text.done", summary_index=0, text=part["text"])
            yield self._of_item("response.reasoning_summary_part.done", summary_index=0, part=part)
            item["summary"] = [part]
        index, self._index = self._index, None
        yield self._item_done(index)

    def _said(self, kind: str, words: str, logprobs: list[Json]) -> Iterator[Json]:
        if self._open_type() != "message":
            yield from self._open("message", "msg", "", role="assistant", content=[])
        content = self._item()["content"]
        if not content or content[-1]["type"] != kind:
            yield from self._close_part()
            part = {"type": kind, "refusal": ""} if kind == "refusal" else _text_part("", [])
            content.append(part)
            yield self._of_item("response.content_part.added", content_index=len(content) - 1, part=part)
        self._pieces.append(words)
        self._logprobs += logprobs
        more = {} if kind == "refusal" else {"logprobs": logprobs}
        yield self._of_item(f"{_WORDS[kind][1]}.delta", content_index=len(content) - 1, delta=words, **more)

    def _close_part(self) -> Iterator[Json]:
        """Close the open part of the open message, if it has one."""
        content = self._item()["content"]
        if not content:
            return
        index, kind = len(content) - 1, content[-1]["type"]
        member, event = _WORDS[kind]
        words, logprobs = self._take_pieces(), self._logprobs
        self._logprobs = []
        content[-1] = {"type": kind, "refusal": words} if kind == "refusal" else _text_part(words, logprobs)
        more = {} if kind == "refusal" else {"logprobs": logprobs}
        yield self._of_item(f"{event}.done", content_index=index, **{member: words}, **more)
        yield self._of_item("response.content_part.done", content_index=index, part=content[-1])

    def _open(self, kind: str, prefix: str, given_id: str, **members: Any) -> Iterator[Json]:
        yield from self.close_open()
        own_id = given_id if given_id.startswith(f"{prefix}_") else self._new_id(prefix)
        item: Json = {"type": kind, "id": own_id, **members}
        if kind != "reasoning":  # whose status the API leaves out
            item["status"] = "in_progress"
        self._index = len(self.items)
        self.items.append(item)
        yield {"type": "response.output_item.added", "output_index": self._index, "item": _copy(item)}

    def _item_done(self, index: int) -> Json:
        return {"type": "response.output_item.done", "output_index": index, "item": self.items[index]}

    def _of_item(self, kind: str, **members: Any) -> Json:
        assert self._index is not None  # noqa: S101  (only called while one is open)
        return self._event(kind, self._index, **members)

    def _event(self, kind: str, index: int, **members: Any) -> Json:
        return {"type": kind, "item_id": self.items[index]["id"], "output_index": index, **members}

    def _open_type(self) -> str:
        return "" if self._index is None else str(self.items[self._index]["type"])

    def _item(self) -> Json:
        return self.items[self._index or 0]

    def _new_id(self, prefix: str) -> str:
        return item_id(prefix, self._call_id, len(self.items))

    def _take_pieces(self) -> str:
        words = "".join(self._pieces)
        self._pieces = []
        return words


def _sealed(delta: ReasoningDelta) -> str:
    """Return the text that the client is to give back with the thought, '' where it is not signed."""
    if delta.signed_by == NAME:
        return delta.encrypted
    if delta.signed_by is None or not (delta.signature or delta.encrypted):
        return ""
    return seal(Seal(delta.signed_by, delta.signature, delta.encrypted))


def _text_part(words: str, logprobs: list[Json]) -> Json:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": logprobs}


def _logprobs(value: Any) -> list[Json]:
    """Tokens in chat completions' shape; here their bytes and alternatives are never null."""
    return [_logprob(token) | {"top_logprobs": _each(token.get("top_logprobs"))} for token in _objects(value)]


def _each(value: Any) -> list[Json]:
    return [_logprob(token) for token in _objects(value)]


def _logprob(token: Json) -> Json:
    word, likely, octets = token.get("token"), token.get("logprob"), token.get("bytes")
    word = word if isinstance(word, str) else ""
    if not isinstance(octets, list) or not all(isinstance(octet, int) for octet in octets):
        octets = list(word.encode("utf-8", "replace"))
    return {"token": word, "logprob": likely if isinstance(likely, (int, float)) else 0.0, "bytes": octets}


def _objects(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _copy(item: Json) -> Json:
    """The item as it is now, whatever becomes of it before it is encoded."""
    return {name: list(value) if isinstance(value, list) else value for name, value in item.items()}
