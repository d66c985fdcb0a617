"""Anthropic's Messages API as the stand-in reads and shapes it; and its door, errors and headers.

Source: platform.claude.com/docs/en/api, versions 2023-06-01 and later.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from .answers import SEALED, THOUGHT, Said, StandinError, StandinToolCall, StreamParts, encode, parsed
from .asks import (
    Ask,
    AskedTool,
    Choice,
    fields_of,
    items,
    last_user,
    model_of,
    part,
    plain_ask,
    refuse,
    stream_of,
    text_in,
    wanted,
)
from .shapes import Family, Served, Shape, StandinDoor
from .wire import StandinRequest

TYPES: dict[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def _error(problem: StandinError) -> bytes:
    usual = "api_error" if problem.status >= 500 else "invalid_request_error"
    content = {"type": TYPES.get(problem.status, usual), "message": problem.message}
    return encode({"type": "error", "error": content, "request_id": problem.request_id or None})


def _headers(served: Served) -> bytes:
    wait = served.spent_for or 0.0
    reset = (datetime.fromtimestamp(served.now, UTC) + timedelta(seconds=wait)).strftime("%Y-%m-%dT%H:%M:%SZ")
    left = 0 if served.spent_for is not None else 999
    return (
        f"request-id: {served.request_id}\r\nanthropic-organization-id: standin\r\n"
        f"anthropic-ratelimit-requests-limit: 1000\r\nanthropic-ratelimit-requests-remaining: {left}\r\n"
        f"anthropic-ratelimit-requests-reset: {reset}\r\n"
    ).encode()


ANTHROPIC = Family(
    door=StandinDoor(
        ways=((b"x-api-key", b""), (b"authorization", b"bearer")),
        missing=StandinError(401, "x-api-key header is required"),
        wrong=StandinError(401, "invalid x-api-key"),
    ),
    error=_error,
    headers=_headers,
)


def _read(request: StandinRequest) -> Ask:
    ask = _prompt(request)
    limit = ask.fields.get("max_tokens")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        refuse("max_tokens: Field required", "max_tokens")
    return ask


def _prompt(request: StandinRequest) -> Ask:
    """The ask of a request that need not say how long its answer may be."""
    if not request.header(b"anthropic-version"):
        refuse("anthropic-version: header is required")
    fields = fields_of(request.body)
    model = model_of(fields)
    messages = items(fields.get("messages"))
    if not messages:
        refuse("messages: at least one message is required", "messages")
    tools = tuple(_tools(fields.get("tools")))
    choice = _choice(fields.get("tool_choice"))
    user = part(last_user(messages), "content")
    may_call = bool(tools) and not choice.forbidden and not _is_result(part(messages[-1], "content"))
    return plain_ask(model, fields, request.body, stream=stream_of(fields))._replace(
        tools=tools,
        wanted=wanted(tools, choice, text_in(user)) if may_call else (),
        may_call=may_call,
        schema=_schema(fields),
    )


def _tools(listed: object) -> Iterator[AskedTool]:
    """The caller's own; those that the provider runs itself are never called."""
    for each in items(listed):
        name = part(each, "name")
        if not isinstance(name, str):
            refuse("tools.0.name: Field required", "tools")
        if part(each, "type") in (None, "custom"):
            yield AskedTool(name, part(each, "input_schema"))


def _choice(said: object) -> Choice:
    kind, name = part(said, "type"), part(said, "name")
    names = (name,) if kind == "tool" and isinstance(name, str) else ()
    return Choice(names, required=kind == "any", forbidden=kind == "none")


def _is_result(content: object) -> bool:
    return any(part(block, "type") == "tool_result" for block in items(content))


def _schema(fields: Mapping[str, object]) -> object:
    wanted = part(fields.get("output_config"), "format") or fields.get("output_format")
    return part(wanted, "schema") if part(wanted, "type") == "json_schema" else None


def _whole(ask: Ask, said: Said) -> bytes:
    blocks: list[object] = [_thinking(ask)] if _thinks(ask, said) else []
    blocks += [_tool_use(call, _input(call)) for call in said.calls]
    blocks += [] if said.calls else [_text("".join(said.text))]
    return _message(said, blocks, usage_of(said), _stop_reason(said))


def _empty(ask: Ask, said: Said) -> bytes:
    return _message(said, [], usage_of(said), "end_turn")


def _stream(ask: Ask, said: Said) -> StreamParts:
    """message_start, a thought if one is shown, blocks with their deltas, message_delta with usage, message_stop."""
    thought = b"".join(_thought_events(ask)) if _thinks(ask, said) else b""
    at = 1 if thought else 0
    opening = _start(said) + thought
    if said.calls:
        content = tuple(event for number, call in enumerate(said.calls, at) for event in _call_events(number, call))
        return StreamParts(opening + PING, content, _stop(said, _stop_reason(said)))
    made = {piece: _delta(at, {"type": "text_delta", "text": piece}) for piece in dict.fromkeys(said.text)}
    return StreamParts(
        opening=opening + _block(at, _text("")) + PING,
        content=tuple(made[piece] for piece in said.text),
        closing=_block_stop(at) + _stop(said, _stop_reason(said)),
    )


def usage_of(said: Said) -> dict[str, object]:
    """Anthropic's usage: tokens from the cache are not among the input's, those of thoughts are in the output's."""
    return {
        "input_tokens": said.prompt_tokens - said.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": said.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": said.bill.completion,
        "output_tokens_details": {"thinking_tokens": said.reasoning_tokens},
        "service_tier": "standard",
    }


def _message(said: Said, blocks: Sequence[object], usage: Mapping[str, object], reason: str | None) -> bytes:
    return encode(
        {
            "id": f"msg_{said.number}",
            "type": "message",
            "role": "assistant",
            "model": said.model,
            "content": blocks,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": usage,
        }
    )


def _stop_reason(said: Said) -> str:
    return "max_tokens" if said.is_truncated else "tool_use" if said.calls else "end_turn"


def _thinks(ask: Ask, said: Said) -> bool:
    kind = part(ask.fields.get("thinking"), "type")
    return said.reasoning_tokens > 0 and kind is not None and kind != "disabled"


def _shown_thought(ask: Ask) -> str:
    return "" if part(ask.fields.get("thinking"), "display") == "omitted" else THOUGHT


def _thinking(ask: Ask) -> dict[str, object]:
    return {"type": "thinking", "thinking": _shown_thought(ask), "signature": SEALED}


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _tool_use(call: StandinToolCall, arguments: object) -> dict[str, object]:
    return {"type": "tool_use", "id": f"toolu_{call.number}", "name": call.name, "input": arguments}


def _input(call: StandinToolCall) -> object:
    """An object; broken arguments as the text they are, as an object cannot be broken."""
    arguments = parsed(call)
    return call.whole if arguments is None else arguments


def _start(said: Said) -> bytes:
    # at its beginning a stream has written one token, docs/en/build-with-claude/streaming
    usage = {**usage_of(said), "output_tokens": min(1, said.bill.completion)}
    return _event("message_start", b'"message":' + _message(said, [], usage, None))


def _thought_events(ask: Ask) -> Iterator[bytes]:
    yield _block(0, {"type": "thinking", "thinking": "", "signature": ""})
    if text := _shown_thought(ask):
        yield _delta(0, {"type": "thinking_delta", "thinking": text})
    yield _delta(0, {"type": "signature_delta", "signature": SEALED})
    yield _block_stop(0)


def _call_events(number: int, call: StandinToolCall) -> Iterator[bytes]:
    """The block's beginning, then its pieces, the last with the block's end."""
    yield _block(number, _tool_use(call, {})) + _delta(number, {"type": "input_json_delta", "partial_json": ""})
    for piece in call.arguments[:-1]:
        yield _delta(number, {"type": "input_json_delta", "partial_json": piece})
    yield _delta(number, {"type": "input_json_delta", "partial_json": call.arguments[-1]}) + _block_stop(number)


def _block(index: int, block: object) -> bytes:
    return _event("content_block_start", b'"index":%d,"content_block":%s' % (index, encode(block)))


def _delta(index: int, delta: object) -> bytes:
    return _event("content_block_delta", b'"index":%d,"delta":%s' % (index, encode(delta)))


def _block_stop(index: int) -> bytes:
    return _event("content_block_stop", b'"index":%d' % index)


def _stop(said: Said, reason: str) -> bytes:
    usage = {name: count for name, count in usage_of(said).items() if name not in ("service_tier", "cache_creation")}
    delta = {"stop_reason": reason, "stop_sequence": None}
    ending = _event("message_delta", b'"delta":%s,"usage":%s' % (encode(delta), encode(usage)))
    return ending + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def _event(name: str, members: bytes) -> bytes:
    return b'event: %s\ndata: {"type":"%s",%s}\n\n' % (name.encode(), name.encode(), members)


MESSAGES = Shape(
    family=ANTHROPIC,
    read=_read,
    whole=_whole,
    empty=_empty,
    failed=lambda ask, said, problem: _error(problem),
    stream=_stream,
    empty_stream=lambda ask, said: _start(said) + _stop(said, "end_turn"),
    error_event=lambda ask, said, problem, sent: b"event: error\ndata: " + _error(problem) + b"\n\n",
    bad_event=b'event: content_block_delta\ndata: {"type":"content_block_delta","ind\n\n',
    not_json=b'{"id": "msg_',
)


def _counted(ask: Ask, said: Said) -> bytes:
    return encode({"input_tokens": said.prompt_tokens})


COUNT_TOKENS = Shape(
    family=ANTHROPIC,
    read=lambda request: _prompt(request)._replace(stream=False),
    whole=_counted,
    empty=lambda ask, said: b"{}",
    failed=lambda ask, said, problem: _error(problem),
    not_json=b'{"input_tokens": ',
    charges="nothing",
    calls_tools=False,
)
