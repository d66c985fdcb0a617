"""The answer to one `response.create` on its way into a WebSocket: each event of the stream is a text frame.

An answer that is no stream is an error, and goes out as an `error` event with its status and headers.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.errors import Headers, SerinusError
from gateway.formats import sse
from gateway.formats.clients import error_body
from gateway.formats.openai_responses import NAME as RESPONSES
from gateway.formats.registry import CLIENTS
from gateway.json_body import encode
from gateway.net.asgi import Message
from gateway.net.server.websocket import WebSocket

_DONE = b"[DONE]"
_LAST = ("response.completed", "response.incomplete")  # events with a response that a turn may go on from
_ENDS = frozenset({*_LAST, "response.failed", "error"})
_find_id = CLIENTS[RESPONSES].facts.answer_id
_TYPE = re.compile(rb'"type"\s*:\s*"([^"\\]{1,100})"')
_FRAMING = frozenset({b"content-type", b"content-length"})
_BROKEN = 502  # the status of an error inside a stream, which has none of its own


class EventFrames:
    """A `send` for one response; every frame names the client's `stream_id`, where it gave one."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._cutter = sse.Cutter()
        self._status = 0
        self._headers: Headers = ()
        self._body = bytearray()
        self.stream_id: str | None = None
        self.response_id: str | None = None
        self.last: bytes | None = None
        """The event with the whole response, once there was one."""
        self.ended = False

    @property
    def begun(self) -> bool:
        return self._status != 0

    async def __call__(self, message: Message, /) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message.get("headers", ())
            return
        body = message.get("body", b"")
        if _is_stream(self._headers):
            for frame in self._frames(body):
                await self._socket.send(frame)
            return
        self._body += body
        if not message.get("more_body", False):
            await self._socket.send(self._error(_error_in(bytes(self._body))))

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        return False

    def part(self, body: bytes) -> bool:
        """Send a part of the stream at once; False where the client is slow, or the head has not gone."""
        if not self.begun or not self._socket.is_ready:
            return False
        for frame in self._frames(body):
            self._socket.write(frame)
        return True

    async def fail(self, error: SerinusError, headers: Headers = ()) -> None:
        """Send an error that became no answer."""
        self._status, self._headers = error.status, headers
        await self._socket.send(self._error(_error_in(error_body(error, RESPONSES, ""))))

    def _frames(self, body: bytes) -> list[str]:
        events = sse.split(self._cutter.feed(body))
        return [self._frame(data, sse.name(event)) for event in events if (data := sse.data(event)) not in (b"", _DONE)]

    def _frame(self, data: bytes, name: str) -> str:
        kind = name or _type_of(data)
        self.response_id = self.response_id or _find_id(data) or None
        if kind == "error":
            data = _with_status(data)
        if kind in _LAST:
            self.last = data
        self.ended |= kind in _ENDS
        return self._named(data.decode("utf-8", "replace"))

    def _named(self, event: str) -> str:
        if self.stream_id is None or not event.rstrip().endswith("}"):
            return event
        return f'{event.rstrip()[:-1]},"stream_id":{encode(self.stream_id)}}}'

    def _error(self, error: Any) -> str:
        self.ended = True
        event: dict[str, Any] = {"type": "error", "status": self._status, "error": error}
        if headers := _shown(self._headers):
            event["headers"] = headers
        return self._named(encode(event))


def _type_of(data: bytes) -> str:
    """Return the type of an event whose stream does not name it."""
    found = _TYPE.search(data)
    return found[1].decode("latin-1") if found else ""


def _is_stream(headers: Headers) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


def _shown(headers: Headers) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name not in _FRAMING}


def _error_in(body: bytes) -> Any:
    """The `error` member of an error's body; the body as a message where it has none."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"message": body.decode("utf-8", "replace")[:1000], "type": "api_error", "param": None, "code": None}
    return error


def _with_status(data: bytes) -> bytes:
    """An error event of a stream as one of a socket, which has a status and an `error`."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(event, dict) or event.get("type") != "error":
        return data
    members = {name: event.get(name) for name in ("message", "type", "param", "code")}
    event.setdefault("error", {**members, "type": "api_error"})
    event.setdefault("status", _BROKEN)
    return encode(event).encode()
