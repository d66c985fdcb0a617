"""Write a whole chat completion to a client."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.calls import Usage
from gateway.formats.answer import Reply, Stop
from gateway.formats.openai_chat._content import data_url
from gateway.formats.openai_chat._reasoning import signed_call, write_details
from gateway.formats.prompt import Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import encode

Members = dict[str, Any]
# A turn that is to go on is unfinished, as one that ran into its limit is.
_REASONS: Mapping[Stop, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "length",
}


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """The chat completion that says this."""
    choice = {
        "index": 0,
        "message": _write_message(reply.parts, envelope),
        "logprobs": _write_logprobs(reply.parts),
        "finish_reason": write_stop(reply.stop, any(isinstance(part, Refusal) for part in reply.parts)),
    }
    usage = {} if reply.usage is None else {"usage": write_usage(reply.usage)}
    return encode({**base(envelope, "chat.completion"), "choices": [choice], **usage}).encode()


def base(envelope: Envelope, kind: str) -> Members:
    """Return the members that an answer and every chunk of a stream begin with."""
    return {"id": f"chatcmpl-{envelope.call_id}", "object": kind, "created": envelope.created, "model": envelope.model}


def write_stop(stop: Stop, said_why: bool) -> str:
    """`finish_reason`. A refusal in words is an answer that came to its end."""
    return "stop" if stop == "refusal" and said_why else _REASONS[stop]


def write_usage(usage: Usage) -> Members:
    written = {"cache_write_tokens": usage.cache_written} if usage.cache_written else {}
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, **written},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _write_message(parts: Sequence[Part], envelope: Envelope) -> Members:
    texts = [part.text for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    written: Members = {
        "role": "assistant",
        "content": "".join(texts) if texts or not (refusals or calls) else None,
        "refusal": "".join(refusals) if refusals else None,
        **_write_thoughts([part for part in parts if isinstance(part, Reasoning)]),
        **_write_media([part for part in parts if isinstance(part, Media)], envelope),
    }
    if calls:
        written["tool_calls"] = [_write_call(call) for call in calls]
    return written


def _write_thoughts(thoughts: Sequence[Reasoning]) -> Members:
    written: Members = {}
    if text := "".join(each.text for each in thoughts):
        written["reasoning_content"] = text
    if any(each.signature or each.encrypted for each in thoughts):
        written["reasoning_details"] = write_details(thoughts)
    return written


def _write_media(media: Sequence[Media], envelope: Envelope) -> Members:
    """Images where OpenRouter puts them, a recording where OpenAI does."""
    written: Members = {}
    if images := [each.url or data_url(each) for each in media if each.kind == "image"]:
        written["images"] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    for sound in (each for each in media if each.kind == "audio" and each.data):
        name = f"audio_{envelope.call_id}"
        written["audio"] = {"id": name, "data": sound.data, "expires_at": envelope.created, "transcript": ""}
    return written


def _write_call(call: ToolCall) -> Members:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function, **signed_call(call)}


def _write_logprobs(parts: Sequence[Part]) -> Members | None:
    tokens = [token for part in parts if isinstance(part, Text) for token in part.logprobs or ()]
    return {"content": tokens, "refusal": None} if tokens else None
