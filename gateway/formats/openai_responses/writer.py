"""Writes another provider's answer in this format, whole or as a stream. Nothing is stored: `store` is false in all.

The version's instructions and tools are not told to clients, as this API would: they are the operator's.
"""

from collections.abc import Iterator
from typing import Any

from gateway.calls import Usage
from gateway.formats import sse
from gateway.formats.answer import (
    Begin,
    End,
    Event,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Stop,
    TextDelta,
    ToolBegin,
    ToolDelta,
)
from gateway.formats.openai_responses.marks import response_id
from gateway.formats.openai_responses.output import Json, Output
from gateway.formats.openai_responses.tools import write_choice, write_output
from gateway.formats.prompt import Media, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode

_INCOMPLETE: dict[Stop, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_DECLINED = "The model declined to answer."


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """A whole answer."""
    output = Output(envelope.call_id)
    calls = 0
    for part in reply.parts:
        if isinstance(part, Media):
            _exhaust(output.close_open())
            _place(output, part)
            continue
        if isinstance(part, ToolCall):
            _exhaust(output.begin_call(ToolBegin(calls, part.id, part.name, part.signature, part.signed_by)))
            _exhaust(output.call_arguments(ToolDelta(calls, part.arguments)))
            calls += 1
        elif isinstance(part, Text):
            _exhaust(output.text(TextDelta(part.text, part.logprobs)))
        elif isinstance(part, Refusal):
            _exhaust(output.refusal(RefusalDelta(part.text)))
        elif isinstance(part, Reasoning):
            _exhaust(output.close_open())
            thought = ReasoningDelta(part.text, part.signature, part.encrypted, part.signed_by, part.id)
            _exhaust(output.reasoning(thought))
    _exhaust(_finish(output, reply.stop))
    return encode(_response(envelope, output.items, reply.stop, reply.usage)).encode()


class ResponsesWriter:
    """Writes one stream. Every event has its number, from 0."""

    __slots__ = ("_envelope", "_number", "_output")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._output = Output(envelope.call_id)
        self._number = 0

    def write(self, event: Event) -> bytes:
        """The events that say this."""
        return b"".join([self._numbered(each) for each in self._say(event)])

    def _say(self, event: Event) -> Iterator[Json]:
        if isinstance(event, TextDelta):
            yield from self._output.text(event)
        elif isinstance(event, ToolDelta):
            yield from self._output.call_arguments(event)
        elif isinstance(event, ToolBegin):
            yield from self._output.begin_call(event)
        elif isinstance(event, ReasoningDelta):
            yield from self._output.reasoning(event)
        elif isinstance(event, RefusalDelta):
            yield from self._output.refusal(event)
        elif isinstance(event, Begin):
            begun = _response(self._envelope, [], None, None)
            yield from ({"type": f"response.{kind}", "response": begun} for kind in ("created", "in_progress"))
        elif isinstance(event, End):
            yield from _finish(self._output, event.stop)
            whole = _response(self._envelope, self._output.items, event.stop, event.usage)
            yield {"type": f"response.{whole['status']}", "response": whole}

    def _numbered(self, event: Json) -> bytes:
        text = encode({"type": event.pop("type"), "sequence_number": self._number, **event})
        self._number += 1
        return sse.event(text.encode(), text[9 : text.index('"', 9)])


def _finish(output: Output, stop: Stop) -> Iterator[Json]:
    """Close what is open; a refusal without words gets some, since only its words tell that it is one."""
    if stop == "refusal" and not any(_refuses(item) for item in output.items):
        yield from output.refusal(RefusalDelta(_DECLINED))
    yield from output.close("incomplete" if stop in _INCOMPLETE else "completed")


def _refuses(item: Json) -> bool:
    return any(part["type"] == "refusal" for part in item.get("content", ()))


def _place(output: Output, media: Media) -> None:
    if media.kind == "image" and media.data:
        output.image(media)
    elif media.url:
        _exhaust(output.text(TextDelta(media.url)))


def _response(envelope: Envelope, items: list[Json], stop: Stop | None, usage: Usage | None) -> Json:
    """The response as it is now; `stop` is None while it goes on."""
    asked = envelope.prompt
    status = "in_progress" if stop is None else "incomplete" if stop in _INCOMPLETE else "completed"
    reason = _INCOMPLETE.get(stop) if stop else None
    text: Json = {"format": write_output(asked.output)}
    if (verbosity := asked.extras.get("verbosity")) is not None:
        text["verbosity"] = verbosity
    return {
        "id": response_id(envelope.call_id),
        "object": "response",
        "created_at": envelope.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "max_output_tokens": asked.max_tokens,
        "metadata": _metadata(envelope),
        "model": envelope.model,
        "output": items,
        "parallel_tool_calls": asked.parallel_tools is not False,
        "previous_response_id": None,
        "reasoning": {"effort": asked.effort, "summary": None},
        "store": False,
        "temperature": asked.temperature,
        "text": text,
        "tool_choice": "auto" if asked.tool_choice is None else write_choice(asked.tool_choice),
        "tools": [],
        "top_p": asked.top_p,
        "truncation": "disabled",
        "usage": None if usage is None else _usage(usage),
    }


def _metadata(envelope: Envelope) -> dict[str, Any]:
    metadata = envelope.prompt.hints.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _exhaust(events: Iterator[Json]) -> None:
    """Let the items grow; a whole answer needs no events."""
    for _ in events:
        pass
