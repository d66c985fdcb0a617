"""OpenAI's shapes as bytes: the completion, the events of a stream, the model list, the error body."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import orjson

from .asks import Ask, Tool
from .behaviour import Behaviour
from .books import Bill
from .schemas import smallest

DONE = b"data: [DONE]\n\n"
MADE_UP = Tool("unknown_tool", {"type": "object"})  # called when a fault needs a tool and none was offered

# type and code of OpenAI's error bodies by status; every other status below 500 is an invalid_request_error
ERRORS: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("service_unavailable_error", None),
    529: ("overloaded_error", None),
}
MESSAGES = {
    401: "Incorrect API key provided.",
    404: "The model does not exist or you do not have access to it.",
    429: "Rate limit reached. Please try again later.",
    503: "The engine is currently overloaded, please try again later.",
    529: "Overloaded",
}


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: tuple[str, ...]  # in the pieces that a stream sends


class Said(NamedTuple):
    """What the model says, before it has a shape: text in pieces, or tool calls."""

    id: str
    created: int  # seconds since 1970
    model: str
    text: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int

    @property
    def bill(self) -> Bill:
        return Bill(self.prompt_tokens, self.cached_tokens, self.output_tokens + self.reasoning_tokens)

    @property
    def finish_reason(self) -> Literal["stop", "tool_calls"]:
        return "tool_calls" if self.calls else "stop"


@dataclass(frozen=True, slots=True)
class Told:
    """A stream's events in their parts, so that a fault can cut between them."""

    opening: bytes
    content: tuple[bytes, ...]
    closing: bytes  # finish_reason, usage if asked for, [DONE]


def say(ask: Ask, behaviour: Behaviour, number: str, now: float) -> Said:
    """What this behaviour says to this ask; `number` makes its ids unique, `now` is in seconds since 1970."""
    tools = ask.wanted or (ask.tools[:1] if behaviour.tool_calls and ask.may_call else ())
    text = () if tools else _text(ask, behaviour)
    prompt = ask.body_bytes // 4 + 1 if behaviour.prompt_tokens is None else behaviour.prompt_tokens
    return Said(
        id=f"chatcmpl-{number}",
        created=int(now),
        model=ask.model,
        text=text,
        calls=tuple(_call(tool, f"call_{number}{at}", behaviour.chunks) for at, tool in enumerate(tools)),
        prompt_tokens=prompt,
        cached_tokens=min(behaviour.cached_tokens, prompt),
        output_tokens=behaviour.chunks if behaviour.output_tokens is None else behaviour.output_tokens,
        reasoning_tokens=behaviour.reasoning_tokens,
    )


def completion(said: Said) -> bytes:
    """The body of a plain answer."""
    message: dict[str, object] = {
        "role": "assistant",
        "content": None if said.calls else "".join(said.text),
        "refusal": None,
        "annotations": [],
    }
    if said.calls:
        message["tool_calls"] = [_call_shape(call) for call in said.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
    return _completion(said, [choice])


def completion_without_choices(said: Said) -> bytes:
    return _completion(said, [])


def told(said: Said, include_usage: bool) -> Told:
    """The same as events, in OpenAI's order: role, content, finish_reason, usage if asked for, [DONE]."""
    prefix = _event_prefix(said)
    suffix = b',"usage":null}\n\n' if include_usage else b"}\n\n"
    opening = {"role": "assistant", "content": None if said.calls else "", "refusal": None}

    def event(delta: object, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return prefix + b'"choices":[' + encode(choice) + b"]" + suffix

    usage = prefix + b'"choices":[],"usage":' + encode(usage_of(said)) + b"}\n\n" if include_usage else b""
    return Told(
        opening=event(opening),
        content=tuple(map(event, _call_deltas(said.calls))) if said.calls else _text_events(said.text, event),
        closing=event({}, said.finish_reason) + usage + DONE,
    )


def event_without_choices(said: Said) -> bytes:
    return _event_prefix(said) + b'"choices":[],"usage":' + encode(usage_of(said)) + b"}\n\n"


def usage_of(said: Said) -> dict[str, object]:
    prompt, cached, completion_tokens = said.bill
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": said.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def error_body(status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
    """OpenAI's error body, with the type that goes with the status."""
    kind, _ = ERRORS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def usual_error(status: int) -> tuple[str, str | None]:
    """Message and code that OpenAI sends with a status."""
    message = MESSAGES.get(status, "The server had an error while processing your request.")
    return message, ERRORS.get(status, ("", None))[1]


def model_card(model: str) -> dict[str, object]:
    return {"id": model, "object": "model", "created": 1735689600, "owned_by": "standin"}


def model_list(models: Iterable[str]) -> bytes:
    return encode({"object": "list", "data": [model_card(model) for model in models]})


def with_broken_arguments(said_calls: tuple[ToolCall, ...], number: str) -> tuple[ToolCall, ...]:
    """The calls, at least one, with arguments that stop in the middle of a string."""
    calls = said_calls or (_call(MADE_UP, f"call_{number}0", 1),)
    return tuple(ToolCall(call.id, call.name, ('{"unfinished', '": "valu')) for call in calls)


def encode(value: object) -> bytes:
    """JSON bytes; lone surrogates, which UTF-8 cannot carry, as ASCII escapes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def _completion(said: Said, choices: list[dict[str, object]]) -> bytes:
    return encode(
        {
            "id": said.id,
            "object": "chat.completion",
            "created": said.created,
            "model": said.model,
            "choices": choices,
            "usage": usage_of(said),
            "service_tier": "default",
            "system_fingerprint": "fp_standin",
        }
    )


def _event_prefix(said: Said) -> bytes:
    top = {
        "id": said.id,
        "object": "chat.completion.chunk",
        "created": said.created,
        "model": said.model,
        "service_tier": "default",
        "system_fingerprint": "fp_standin",
    }
    return b"data: " + encode(top)[:-1] + b","


def _text(ask: Ask, behaviour: Behaviour) -> tuple[str, ...]:
    if ask.schema is None:
        return (behaviour.chunk_text,) * behaviour.chunks
    return _pieces(encode(smallest(ask.schema)).decode(), behaviour.chunks)


def _call(tool: Tool, call_id: str, chunks: int) -> ToolCall:
    arguments = smallest(tool.parameters) if tool.parameters else {}
    return ToolCall(call_id, tool.name, _pieces(encode(arguments).decode(), chunks))


def _pieces(text: str, count: int) -> tuple[str, ...]:
    """`text` cut into at most `count` pieces of one size."""
    size = -(-len(text) // count) or 1
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def _text_events(text: tuple[str, ...], event: Callable[[object], bytes]) -> tuple[bytes, ...]:
    made: dict[str, bytes] = {piece: event({"content": piece}) for piece in dict.fromkeys(text)}  # mostly one text
    return tuple(made[piece] for piece in text)


def _call_shape(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": "".join(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _call_deltas(calls: Iterable[ToolCall]) -> Iterator[dict[str, object]]:
    for index, call in enumerate(calls):
        first = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": first}]}
        for piece in call.arguments:
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
