"""The bytes of calls and answers, made once before anything is measured.

A call asks for a stream by the marker `gap=MS` in its text, milliseconds between chunks: text passes through every
gateway unchanged, whatever it does to the rest.
"""

import json

CHUNKS = 50  # pieces of content in a stream
PIECE = b'" canary"'  # one stands in each of them, and nowhere else
GAP = b"gap="
_UNITS = 64  # different conversations, so that a split has something to split

_MODEL = "gpt-4o-2024-08-06"
_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 120,
    "total_tokens": 240,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
# What OpenAI's answers carry, more or less.
_HEADERS = b"".join(
    line + b"\r\n"
    for line in (
        b"openai-organization: bench",
        b"openai-processing-ms: 412",
        b"openai-version: 2020-10-01",
        b"x-ratelimit-limit-requests: 10000",
        b"x-ratelimit-remaining-requests: 9999",
        b"x-request-id: req_0123456789abcdef0123456789abcdef",
    )
)


def requests(path: str, host: str, headers: dict[str, str], model: str, gap_ms: int | None = None) -> list[bytes]:
    """Calls that differ in their conversation; streams when a gap is given."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return [_request(path, host, lines, _call(model, unit, gap_ms)) for unit in range(_UNITS)]


def answer() -> bytes:
    """A whole answer of about 1 kB, with usage."""
    message: dict[str, object] = {"role": "assistant", "content": "canary " * 60, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps({**_envelope("chat.completion"), "choices": [choice], "usage": _USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
        _HEADERS, len(body), body,
    )  # fmt: skip


def stream() -> list[bytes]:
    """What a stream writes: its head with the first piece, the other pieces, then the end with usage."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    head += _HEADERS + b"transfer-encoding: chunked\r\n\r\n"
    first = head + _chunk(_event({"role": "assistant", "content": " canary"}))
    piece = _chunk(_event({"content": " canary"}))
    return [first, *[piece] * (CHUNKS - 1), _chunk(_end()) + b"0\r\n\r\n"]


def body_length(head: bytes) -> int | None:
    """The Content-Length of a header block, None when it has none."""
    head = head.lower()
    at = head.find(b"content-length:")
    if at < 0:
        return None
    end = head.find(b"\r", at)
    return int(head[at + 15 : end if end >= 0 else None])


def _request(path: str, host: str, lines: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: */*\r\n"
    head += f"user-agent: OpenAI/Python 3.54.0\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _call(model: str, unit: int, gap_ms: int | None) -> bytes:
    marker = "" if gap_ms is None else f" {GAP.decode()}{gap_ms:05d}"
    text = f"Conversation {unit}{marker}: " + "where is my order? " * 20
    call: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0.3}
    return json.dumps(call if gap_ms is None else call | {"stream": True}, separators=(",", ":")).encode()


def _envelope(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-0123456789", "object": kind, "created": 1767225600, "model": _MODEL}


def _event(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _data({**_envelope("chat.completion.chunk"), "choices": [choice], "usage": None})


def _end() -> bytes:
    usage = _data({**_envelope("chat.completion.chunk"), "choices": [], "usage": _USAGE})
    return _event({}, "stop") + usage + b"data: [DONE]\n\n"


def _data(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
