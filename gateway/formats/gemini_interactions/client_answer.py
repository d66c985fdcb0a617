"""Write a whole answer to a client. It is stored nowhere, so its id is one that this gateway knows for its own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gateway.formats.answer import Reply, Stop
from gateway.formats.gemini_interactions import NAME
from gateway.formats.gemini_interactions._content import show_media
from gateway.formats.gemini_interactions._terms import status_of, usage_members
from gateway.formats.google.arguments import arguments_of
from gateway.formats.marks import interaction_id
from gateway.formats.prompt import FormatName, Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode

Json = dict[str, Any]
_BLOCKED = ("content_blocked", "The answer was blocked, or the model declined to give one.")


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """A whole answer."""
    interaction = write_interaction(envelope, reply.stop)
    interaction["steps"] = _steps(reply)
    if reply.usage is not None:
        interaction["usage"] = usage_members(reply.usage)
    return encode(interaction).encode()


def write_interaction(envelope: Envelope, stop: Stop | None) -> Json:
    """The interaction without its steps; `stop` is None while it goes on."""
    made = datetime.fromtimestamp(envelope.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    interaction: Json = {
        "id": interaction_id(envelope.call_id),
        "object": "interaction",
        "model": envelope.model,
        "status": "in_progress" if stop is None else status_of(stop),
        "created": made,
        "updated": made,
    }
    if stop in ("content_filter", "refusal"):
        code, message = _BLOCKED
        interaction["errors"] = [{"code": code, "message": message}]
    return interaction


def write_signature(signature: str, signed_by: FormatName | None) -> Json:
    """The signature of a step; nothing for one of another format."""
    return {"signature": signature} if signature and signed_by == NAME else {}


def write_call(call: ToolCall) -> Json:
    """The step of a function call."""
    step = {"type": "function_call", "id": call.id, "name": call.name, "arguments": arguments_of(call.arguments)}
    return step | write_signature(call.signature, call.signed_by)


def _steps(reply: Reply) -> list[Json]:
    """Text and media that follow one another stand in one step."""
    steps: list[Json] = []
    for part in reply.parts:
        if isinstance(part, ToolCall):
            steps.append(write_call(part))
        elif isinstance(part, Reasoning):
            steps += _thought(part)
        elif (block := _block(part)) is not None:
            if not steps or steps[-1]["type"] != "model_output":
                steps.append({"type": "model_output", "content": []})
            steps[-1]["content"].append(block)
    return steps


def _thought(part: Reasoning) -> Iterator[Json]:
    signed = write_signature(part.signature, part.signed_by)
    summary = {"summary": [{"type": "text", "text": part.text}]} if part.text else {}
    if signed or summary:
        yield {"type": "thought", **signed, **summary}


def _block(part: Part) -> Json | None:
    if isinstance(part, Text | Refusal):
        return {"type": "text", "text": part.text} if part.text else None
    return show_media(part) if isinstance(part, Media) else None
