"""Bedrock's Converse as the stand-in reads and shapes it; its streams are AWS's binary messages.

Source: docs.aws.amazon.com/bedrock/latest/APIReference, Converse and ConverseStream.
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote
from zlib import crc32

from .answers import Said, StandinError, StandinToolCall, StreamParts, encode, parsed
from .asks import Ask, AskedTool, Choice, fields_of, items, last_user, part, plain_ask, refuse, text_in, wanted
from .shapes import Family, Shape, StandinDoor
from .wire import StandinRequest

_MODEL = re.compile(r"/model/([^/]+)/converse(-stream)?$")
_STREAM = b"application/vnd.amazon.eventstream"
_UNKNOWN_KEY = "The security token included in the request is invalid."

AWS = Family(
    door=StandinDoor(
        ways=((b"authorization", b"bearer"),),
        missing=StandinError(403, "Missing Authentication Token"),
        wrong=StandinError(403, _UNKNOWN_KEY, code="UnrecognizedClientException"),
    ),
    error=lambda problem: encode({"message": problem.message}),
    headers=lambda served: f"x-amzn-requestid: {served.request_id}\r\n".encode(),
)


def _read(request: StandinRequest) -> Ask:
    fields = fields_of(request.body)
    found = _MODEL.search(request.path)
    model = unquote(found[1]) if found else ""
    messages = items(fields.get("messages"))
    if not messages:
        refuse("The messages field is required.")
    config = fields.get("toolConfig")
    tools = tuple(_tools(part(config, "tools")))
    choice = _choice(part(config, "toolChoice"))
    last = items(part(messages[-1], "content"))
    may_call = bool(tools) and not any(part(block, "toolResult") for block in last)
    said = text_in(part(last_user(messages), "content"))
    return plain_ask(model, fields, request.body, stream=bool(found and found[2]))._replace(
        tools=tools,
        wanted=wanted(tools, choice, said) if may_call else (),
        may_call=may_call,
        schema=_schema(fields.get("outputConfig")),
    )


def _tools(listed: object) -> Iterator[AskedTool]:
    for each in items(listed):
        name = part(spec := part(each, "toolSpec"), "name")
        if isinstance(name, str):
            yield AskedTool(name, part(part(spec, "inputSchema"), "json"))


def _choice(said: object) -> Choice:
    name = part(part(said, "tool"), "name")
    return Choice((name,) if isinstance(name, str) else (), required=part(said, "any") is not None)


def _schema(output: object) -> object:
    text = part(part(part(part(output, "textFormat"), "structure"), "jsonSchema"), "schema")
    return fields_of(text.encode()) if isinstance(text, str) else None


def _usage(said: Said) -> Mapping[str, int]:
    given, output = said.prompt_tokens - said.cached_tokens, said.bill.completion
    total = said.prompt_tokens + output
    cached = {"cacheReadInputTokens": said.cached_tokens, "cacheWriteInputTokens": 0}
    return {"inputTokens": given, "outputTokens": output, "totalTokens": total, **cached}


def _whole(ask: Ask, said: Said) -> bytes:
    calls = [{"toolUse": {"toolUseId": f"tooluse_{c.number}", "name": c.name, "input": parsed(c)}} for c in said.calls]
    return _answer(said, calls or [{"text": "".join(said.text)}], _reason(said))


def _answer(said: Said, content: Sequence[object], reason: str) -> bytes:
    output = {"message": {"role": "assistant", "content": content}}
    metrics = {"latencyMs": 1}
    return encode({"output": output, "stopReason": reason, "usage": _usage(said), "metrics": metrics})


def _reason(said: Said) -> str:
    return "max_tokens" if said.is_truncated else "tool_use" if said.calls else "end_turn"


def _stream(ask: Ask, said: Said) -> StreamParts:
    opening = _event("messageStart", {"role": "assistant"})
    if said.calls:
        content = tuple(event for at, call in enumerate(said.calls) for event in _call_events(at, call))
        return StreamParts(opening, content, _closing(said))
    words = tuple(_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}) for text in said.text)
    return StreamParts(opening, words, _event("contentBlockStop", {"contentBlockIndex": 0}) + _closing(said))


def _call_events(at: int, call: StandinToolCall) -> Iterator[bytes]:
    """The block's beginning, then its pieces, the last with the block's end."""
    start = {"toolUse": {"toolUseId": f"tooluse_{call.number}", "name": call.name}}
    yield _event("contentBlockStart", {"contentBlockIndex": at, "start": start})
    for piece in call.arguments[:-1]:
        yield _event("contentBlockDelta", {"contentBlockIndex": at, "delta": {"toolUse": {"input": piece}}})
    last = _event("contentBlockDelta", {"contentBlockIndex": at, "delta": {"toolUse": {"input": call.arguments[-1]}}})
    yield last + _event("contentBlockStop", {"contentBlockIndex": at})


def _closing(said: Said) -> bytes:
    stopped = _event("messageStop", {"stopReason": _reason(said)})
    return stopped + _event("metadata", {"usage": _usage(said), "metrics": {"latencyMs": 1}})


def _event(kind: str, value: object) -> bytes:
    return _message({":event-type": kind, ":message-type": "event"}, encode(value))


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Frame a message: its lengths and their checksum, headers, the payload, and a checksum of it all."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    body = lengths + struct.pack(">I", crc32(lengths)) + block + payload
    return body + struct.pack(">I", crc32(body))


def _failure(problem: StandinError) -> bytes:
    kinds = {429: "throttlingException", 503: "serviceUnavailableException", 400: "validationException"}
    headers = {":exception-type": kinds.get(problem.status, "internalServerException"), ":message-type": "exception"}
    return _message(headers, encode({"message": problem.message}))


CONVERSE = Shape(
    family=AWS,
    read=_read,
    whole=_whole,
    empty=lambda ask, said: _answer(said, [], "end_turn"),
    failed=lambda ask, said, problem: encode({"message": problem.message}),
    stream=_stream,
    empty_stream=lambda ask, said: _event("messageStart", {"role": "assistant"}) + _closing(said),
    error_event=lambda ask, said, problem, sent: _failure(problem),
    bad_event=_message({":event-type": "contentBlockDelta", ":message-type": "event"}, b'{"contentBlock'),
    not_json=b'{"output": ',
    stream_kind=_STREAM,
)
