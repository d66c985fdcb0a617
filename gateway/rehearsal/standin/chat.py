"""OpenAI's chat completions as the stand-in reads and shapes them; and the door, errors and headers of OpenAI."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from .answers import Said, StandinError, StandinToolCall, StreamParts, encode
from .asks import (
    Ask,
    AskedTool,
    Choice,
    fields_of,
    last_user,
    model_of,
    part,
    refuse,
    stream_of,
    text_in,
    wanted,
)
from .shapes import Family, Served, Shape, StandinDoor
from .wire import StandinRequest, provider_lines

DONE = b"data: [DONE]\n\n"
NOT_JSON = b'{"id": "chatcmpl-'

# type of OpenAI's error bodies by status; every other status below 500 is an invalid_request_error
ERRORS: dict[int, str] = {429: "requests", 503: "service_unavailable_error", 529: "overloaded_error"}


def error_body(problem: StandinError) -> bytes:
    """OpenAI's error body, with the type that goes with the status."""
    kind = ERRORS.get(problem.status, "server_error" if problem.status >= 500 else "invalid_request_error")
    return encode({"error": {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code}})


def _headers(served: Served) -> bytes:
    return provider_lines(served.request_id, served.seconds, served.spent_for)


OPENAI = Family(
    door=StandinDoor(
        ways=((b"authorization", b"bearer"),),
        missing=StandinError(401, "You didn't provide an API key in an Authorization header: Bearer YOUR_KEY."),
        wrong=StandinError(401, "Incorrect API key provided.", code="invalid_api_key"),
    ),
    error=error_body,
    headers=_headers,
)


def read_ask(body: bytes) -> Ask:
    """The ask in a request body. Raises Refusal with OpenAI's words for what is wrong."""
    fields = fields_of(body)
    model = model_of(fields)
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        refuse("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    stream = stream_of(fields)
    if not stream and fields.get("stream_options") is not None:
        refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    tools = _tools(fields["tools"]) if fields.get("tools") else ()
    choice = _choice(fields.get("tool_choice"))
    may_call = bool(tools) and not choice.forbidden and part(messages[-1], "role") != "tool"
    return Ask(
        model=model,
        stream=stream,
        include_usage=stream and part(fields.get("stream_options"), "include_usage") is True,
        tools=tools,
        wanted=wanted(tools, choice, text_in(part(last_user(messages), "content"))) if may_call else (),
        may_call=may_call,
        schema=_schema(fields["response_format"]) if fields.get("response_format") else None,
        body_bytes=len(body),
        fields=fields,
    )


def completion(ask: Ask, said: Said) -> bytes:
    """The body of a plain answer."""
    message: dict[str, object] = {
        "role": "assistant",
        "content": None if said.calls else "".join(said.text),
        "refusal": None,
        "annotations": [],
    }
    if said.calls:
        message["tool_calls"] = [_call_shape(call) for call in said.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(said)}
    return _completion(said, [choice])


def stream(ask: Ask, said: Said) -> StreamParts:
    """The same as events, in OpenAI's order: role, content, finish_reason, usage if asked for, [DONE]."""
    prefix = _event_prefix(said)
    suffix = b',"usage":null}\n\n' if ask.include_usage else b"}\n\n"
    opening = {"role": "assistant", "content": None if said.calls else "", "refusal": None}

    def event(delta: object, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return prefix + b'"choices":[' + encode(choice) + b"]" + suffix

    return StreamParts(
        opening=event(opening),
        content=tuple(map(event, _call_deltas(said.calls))) if said.calls else _text_events(said.text, event),
        closing=event({}, _finish_reason(said)) + (_usage_event(said) if ask.include_usage else b"") + DONE,
    )


def usage_of(said: Said) -> dict[str, object]:
    """OpenAI's usage object of completions."""
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


def error_event(problem: StandinError) -> bytes:
    """An error object in the place of a chunk."""
    return b"data: " + error_body(problem) + b"\n\n"


def _read(request: StandinRequest) -> Ask:
    return read_ask(request.body)


CHAT = Shape(
    family=OPENAI,
    read=_read,
    whole=completion,
    empty=lambda ask, said: _completion(said, []),
    failed=lambda ask, said, problem: error_body(problem),
    stream=stream,
    empty_stream=lambda ask, said: _usage_event(said) + DONE,
    error_event=lambda ask, said, problem, sent: error_event(problem),
    bad_event=b"data: " + NOT_JSON + b"\n\n" + DONE,
    not_json=NOT_JSON,
)


def _tools(listed: object) -> tuple[AskedTool, ...]:
    functions = [part(each, "function") for each in listed] if isinstance(listed, list) else []
    tools = [
        AskedTool(name, part(each, "parameters")) for each in functions if isinstance(name := part(each, "name"), str)
    ]
    if not tools or len(tools) != len(functions):
        refuse("Missing required parameter: 'tools[0].function.name'.", "tools", "missing_required_parameter")
    return tuple(tools)


def _choice(said: object) -> Choice:
    name = part(part(said, "function"), "name")
    return Choice((name,) if isinstance(name, str) else (), required=said == "required", forbidden=said == "none")


def _schema(wanted: object) -> object:
    if part(wanted, "type") == "json_schema":
        return part(part(wanted, "json_schema"), "schema") or {"type": "object"}
    return {"type": "object"} if part(wanted, "type") == "json_object" else None


def _finish_reason(said: Said) -> str:
    return "length" if said.is_truncated else "tool_calls" if said.calls else "stop"


def _completion(said: Said, choices: list[dict[str, object]]) -> bytes:
    top = _top(said, "chat.completion")
    return encode({**top, "choices": choices, "usage": usage_of(said)})


def _event_prefix(said: Said) -> bytes:
    return b"data: " + encode(_top(said, "chat.completion.chunk"))[:-1] + b","


def _top(said: Said, kind: str) -> Mapping[str, object]:
    return {
        "id": f"chatcmpl-{said.number}",
        "object": kind,
        "created": said.created,
        "model": said.model,
        "service_tier": "default",
        "system_fingerprint": "fp_standin",
    }


def _usage_event(said: Said) -> bytes:
    return _event_prefix(said) + b'"choices":[],"usage":' + encode(usage_of(said)) + b"}\n\n"


def _text_events(text: tuple[str, ...], event: Callable[[object], bytes]) -> tuple[bytes, ...]:
    made: dict[str, bytes] = {piece: event({"content": piece}) for piece in dict.fromkeys(text)}  # mostly one text
    return tuple(made[piece] for piece in text)


def _call_shape(call: StandinToolCall) -> dict[str, object]:
    return {"id": _id(call), "type": "function", "function": {"name": call.name, "arguments": call.whole}}


def _call_deltas(calls: Iterable[StandinToolCall]) -> Iterator[dict[str, object]]:
    for index, call in enumerate(calls):
        first = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": _id(call), "type": "function", "function": first}]}
        for piece in call.arguments:
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _id(call: StandinToolCall) -> str:
    return f"call_{call.number}"
