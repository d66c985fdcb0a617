"""Write a whole answer to a client. Nothing is stored: `store` is false in all.

The version's instructions and tools are not sent to clients, as this API would: they are the operator's.
"""

from collections.abc import Iterator
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import ReasoningDelta, RefusalDelta, Reply, Stop, TextDelta, ToolBegin, ToolDelta
from gateway.formats.marks import response_id
from gateway.formats.openai_responses._output import Json, OutputItems
from gateway.formats.openai_responses._tools import write_choice, write_output
from gateway.formats.prompt import Media, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode

_INCOMPLETE: dict[Stop, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_DECLINED = "The model declined to answer."


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """A whole answer."""
    output = OutputItems(envelope)
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
    _exhaust(finish(output, reply.stop))
    keep(output, envelope)
    return encode(response_members(envelope, output.items, reply.stop, reply.usage)).encode()


def finish(output: OutputItems, stop: Stop) -> Iterator[Json]:
    """Close what is open; a refusal without words gets some, since only its words tell that it is one."""
    if stop == "refusal" and not any(_refuses(item) for item in output.items):
        yield from output.refusal(RefusalDelta(_DECLINED))
    yield from output.close("incomplete" if stop in _INCOMPLETE else "completed")


def keep(output: OutputItems, envelope: Envelope) -> None:
    """Hand on the items of a whole answer where a later request may name them."""
    if envelope.keep is not None:
        envelope.keep({item["id"]: encode(item) for item in output.items})


def _refuses(item: Json) -> bool:
    return any(part["type"] == "refusal" for part in item.get("content", ()))


def _place(output: OutputItems, media: Media) -> None:
    if media.kind == "image" and media.data:
        output.image(media)
    elif media.url:
        _exhaust(output.text(TextDelta(media.url)))


def response_members(envelope: Envelope, items: list[Json], stop: Stop | None, usage: Usage | None) -> Json:
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
        **({} if envelope.echo is None else {"prompt": envelope.echo}),
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
