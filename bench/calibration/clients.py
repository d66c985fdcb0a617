"""Clients of a simulation: conversations that begin by chance, each call through a replica's whole application."""

import asyncio
import random
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.api.endpoint import Handler
from gateway.errors import Headers
from gateway.net.server.disconnect import EXTENSION, Departure

NOTHING_MORE: Mapping[str, Any] = {}
_HOST = (b"host", b"localhost")


@dataclass(slots=True)
class Exchanged:
    """One request on its way through an application, as the server's own `receive` and `send` have it."""

    body: bytes
    status: int = 0
    version: str = ""
    call_id: str = ""
    begun: bool = False
    task: asyncio.Task[Any] | None = None

    def whole(self) -> bytes:
        """The body of the request."""
        return self.body

    async def receive(self) -> MutableMapping[str, Any]:
        """The body as a message."""
        return {"type": "http.request", "body": self.body}

    def answer(self, status: int, headers: Headers, _body: bytes) -> bool:
        """Take a whole answer."""
        self.begun, self.status = True, status
        for name, value in headers:
            if name == b"x-serinus-version":
                self.version = value.decode()
            elif name == b"x-serinus-call-id":
                self.call_id = value.decode()
        return True


class _Receive:
    __slots__ = ("_exchanged", "whole")

    def __init__(self, exchanged: Exchanged) -> None:
        self._exchanged = exchanged
        self.whole = exchanged.whole

    async def __call__(self) -> MutableMapping[str, Any]:
        return await self._exchanged.receive()


class _Send:
    __slots__ = ("_exchanged", "answer", "task")

    def __init__(self, exchanged: Exchanged, task: asyncio.Task[Any] | None) -> None:
        self._exchanged = exchanged
        self.answer = exchanged.answer
        self.task = task

    @property
    def begun(self) -> bool:
        return self._exchanged.begun

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._exchanged.answer(message["status"], message["headers"], b"")


async def ask(asgi: Handler, path: str, body: object, headers: Headers = (), patience: float = 0.0) -> Exchanged:
    """One request; its client leaves after `patience` seconds, if that is not 0."""
    exchanged, departure = Exchanged(orjson.dumps(body)), Departure()
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [_HOST, *headers],
        "extensions": {EXTENSION: departure},
    }  # fmt: skip
    timer = asyncio.get_running_loop().call_later(patience, departure.happen) if patience else None
    await asgi(scope, _Receive(exchanged), _Send(exchanged, asyncio.current_task()))
    if timer is not None:
        timer.cancel()
    return exchanged


async def chat(
    asgi: Handler,
    agent: str,
    text: str,
    conversation: str = "",
    key: str = "",
    patience: float = 0.0,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> Exchanged:
    """One chat completion; with the client's own id of the conversation where it has one, and `more` members."""
    headers = [(b"x-conversation-id", conversation.encode())] if conversation else []
    if key:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    body = {"model": agent, "messages": [{"role": "user", "content": text}], **more}
    return await ask(asgi, "/v1/chat/completions", body, headers, patience)


async def score(asgi: Handler, call_id: str, value: float, key: str = "") -> None:
    """Score a call."""
    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    await ask(asgi, "/v1/feedback", {"call_id": call_id, "score": value}, headers)


async def arrivals(rate: Callable[[], float], chance: random.Random, most: int) -> Any:
    """Yield so many numbers, each when a conversation begins: a Poisson process of that rate a second."""
    for number in range(most):
        await asyncio.sleep(chance.expovariate(rate()))
        yield number
