"""ASGI as endpoints see it: messages, and what `receive` and `send` of the gateway's own server do beyond them.

Those of another server, and what wraps either, know messages alone: `MessageReceive` and `MessageSend` stand for them.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from gateway.errors import Headers

# ASGI leaves the values of its dictionaries untyped.
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
PlainReceive = Callable[[], Awaitable[Message]]
PlainSend = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, PlainReceive, PlainSend], Awaitable[None]]


class Receive(Protocol):
    """The body of a request, in messages or whole."""

    def __call__(self) -> Awaitable[Message]: ...

    def whole(self) -> bytes | None:
        """Return the whole body where all of it is there already; None where it comes in messages."""


class Send(Protocol):
    """The answer to a request, in messages or at once."""

    @property
    def begun(self) -> bool:
        """Return whether an answer has begun, so that no other can be sent."""

    def __call__(self, message: Message, /) -> Awaitable[None]: ...

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer at once; return False where it has to go out in messages."""

    def part(self, body: bytes) -> bool:
        """Send a part of an answer at once, with more to come; return False where it has to be a message."""


class MessageReceive:
    """A plain `receive`: the body comes in messages."""

    __slots__ = ("_receive",)

    def __init__(self, receive: PlainReceive) -> None:
        self._receive = receive

    def __call__(self) -> Awaitable[Message]:
        return self._receive()

    def whole(self) -> bytes | None:
        return None


class MessageSend:
    """A plain `send`: the answer goes out in messages."""

    __slots__ = ("_send", "begun")

    def __init__(self, send: PlainSend) -> None:
        self._send = send
        self.begun = False

    def __call__(self, message: Message, /) -> Awaitable[None]:
        self.begun = True
        return self._send(message)

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        return False

    def part(self, body: bytes) -> bool:
        return False
