"""Callers of all formats, whole and streamed, with tools, over WebSockets, and what each call of theirs came to."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from time import time
from typing import Any, Literal

from bench.soak import speech
from bench.soak.settings import CAPPED, EMBEDDER, KEYS, NATIVE, TRIAL
from bench.soak.wire import USUAL_MANNER, Answer, Connection, Manner, connect
from bench.soak.world import Lifetime, World
from tests.support.websockets import socket

Came = Literal[
    "answered",  # whole, and what the provider said
    "wrong",  # whole and clean, but not what the provider said
    "refused",  # an error of its format, with a status
    "broken",  # a stream that ended with its format's error
    "cut",  # it stopped in the middle without a word
    "lost",  # nothing came
    "late",  # nothing more came, and the client gave up
    "left",  # the client left by itself
]
_CUT = (OSError, EOFError)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a client. `tag` stands in its text, and so in what the provider gets."""

    tag: str
    form: str
    agent: str
    key: str
    stream: bool
    path: str
    body: dict[str, Any]


@dataclass(slots=True)
class Result:
    """What came of a request. `lifetime` is the replica's that was asked last, `before` the one whose kept connection
    ended under it."""

    asked: Asked
    began: float
    lifetime: str = ""
    ended: float = 0.0
    came: Came = "lost"
    status: int = 0
    code: str = ""
    call_id: str = ""
    before: str = ""
    said: str = ""  # the beginning of an answer that was no success

    @property
    def is_shed(self) -> bool:
        """Whether the gateway said that it is too busy: the call was never begun."""
        return self.status == 503 and "The gateway is busy" in self.said


@dataclass(slots=True)
class Callers:
    """Callers before one world. `results` are those of all requests that have ended."""

    world: World
    seed: int
    results: list[Result] = field(default_factory=list)
    under_way: int = 0
    stale: int = 0  # kept connections that had ended when the next request came
    _numbers: Any = field(default_factory=lambda: count(1))

    def tag(self) -> str:
        return f"soak-{next(self._numbers)}."

    async def call_on(self, rng: Random, over: asyncio.Event) -> None:
        """Call, think and call again, until it is over."""
        line = _Line(self.world, rng)
        while not over.is_set():
            await _draw(rng)(self, line, rng)
            await asyncio.sleep(rng.uniform(0.02, 0.3))
        line.close()

    async def converse(self, line: "_Line", rng: Random, manner: Manner = USUAL_MANNER, key: str = "app") -> None:
        """One to three turns of a conversation in one format, some with a tool."""
        form, agent = rng.choice(speech.FORMATS), rng.choice((TRIAL, TRIAL, TRIAL, *NATIVE))
        name, stream = f"{self.seed}-{rng.getrandbits(48):x}", rng.random() < 0.5
        for _ in range(rng.choice((1, 1, 2, 3))):
            tag = self.tag()
            text = f"{tag} call look_up" if rng.random() < 0.2 else f"{tag} hello"
            path, body = speech.path(form, agent, stream), speech.request(form, agent, text, stream)
            answer = await self.send(line, Asked(tag, form, agent, key, stream, path, body), manner, name)
            if answer is None or stream:
                continue
            if (further := speech.after_tools(form, body, answer)) is not None:
                await self.send(line, Asked(tag, form, agent, key, stream, path, further), manner, name)

    async def embed(self, line: "_Line", rng: Random) -> None:
        """Embeddings of a plain model."""
        tag = self.tag()
        body = {"model": EMBEDDER, "input": f"{tag} a text"}
        await self.send(line, Asked(tag, "embeddings", EMBEDDER, "app", False, "/v1/embeddings", body))

    async def spend(self, line: "_Line", rng: Random, key: str = "app") -> None:
        """A call of the agent with a budget."""
        await self.chat(line, CAPPED, key)

    async def call_with_limit(self, line: "_Line", rng: Random) -> None:
        """A call with the key that may make few."""
        await self.chat(line, "by-chat", "few")

    async def chat(self, line: "_Line", agent: str, key: str, manner: Manner = USUAL_MANNER) -> None:
        tag = self.tag()
        body = {"model": agent, "messages": [{"role": "user", "content": f"{tag} hello"}]}
        await self.send(line, Asked(tag, "openai", agent, key, False, "/v1/chat/completions", body), manner)

    async def talk_over_socket(self, line: "_Line", rng: Random) -> None:
        """Responses over one WebSocket, one after the other."""
        lifetime = self.world.pick(rng)
        agent = rng.choice((TRIAL, "by-responses", "by-chat"))
        tag = self.tag()
        headers = {"authorization": f"Bearer {KEYS['app']}", "x-request-id": tag}
        with suppress(OSError, EOFError):  # nobody was there, or it ended just then: no request was made
            async with socket(f"{lifetime.served.url}/v1/responses", headers) as client:
                for _ in range(rng.choice((1, 2, 3))):
                    asked = Asked(tag, "socket", agent, "app", True, "", {"input": f"{tag} hello"})
                    if not await self._respond(client, asked, lifetime):
                        return

    async def _respond(self, client: Any, asked: Asked, lifetime: Lifetime) -> bool:
        """Return whether the socket goes on."""
        result = Result(asked, time(), lifetime.name)
        self.under_way += 1
        try:
            client.create(asked.agent, **asked.body)
            last = (await client.response())[-1]
            done = last.get("response") or {}
            texts = [part.get("text") for item in done.get("output", ()) for part in item.get("content") or ()]
            is_right = "".join(filter(None, texts)) == speech.WHOLE_TEXT
            result.came = "answered" if is_right else "broken" if speech.is_error(last) else "wrong"
            error = last.get("error") or done.get("error") or {}
            result.code, result.status = str(error.get("code") or ""), int(last.get("status") or 0)
            result.said = "" if result.came == "answered" else json.dumps(last)[:300]
        except AssertionError:  # the replica had closed the socket, which is no answer: a client connects again
            self.stale += 1
            self.under_way -= 1
            return False
        except _CUT as error:
            result.came, result.said = "cut", repr(error)
        except TimeoutError:
            result.came = "late"
        self._finish(result)
        return result.came == "answered"

    async def send(
        self, line: "_Line", asked: Asked, manner: Manner = USUAL_MANNER, conversation: str = ""
    ) -> bytes | None:
        """Send a request; the body of a right answer."""
        result, answer = Result(asked, time()), Answer()
        headers = {"authorization": f"Bearer {KEYS[asked.key]}", "x-request-id": asked.tag}
        if conversation:
            headers["x-conversation-id"] = conversation
        self.under_way += 1
        try:
            await line.post(asked.path, json.dumps(asked.body).encode(), headers, manner, answer, result)
        except _CUT:
            told = asked.stream and speech.says_error(answer.body)
            result.came = "broken" if told else "cut" if answer.status else "lost"
        except TimeoutError:
            result.came = "late"
        else:
            result.came = _came(asked, answer, manner)
        finally:
            self.stale += line.stale
            line.stale = 0
            result.status, result.call_id = answer.status, answer.call_id
            if result.came != "answered":
                result.code, result.said = _code(answer.body), answer.body.decode(errors="replace")[-300:]
            self._finish(result)
        return answer.body if result.came == "answered" else None

    def _finish(self, result: Result) -> None:
        result.ended = time()
        self.under_way -= 1
        self.results.append(result)


class _Line:
    """A caller's connection: kept for several calls, made anew at another replica, refused by none that is there."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world, self._rng = world, rng
        self._connection: Connection | None = None
        self._lifetime: Lifetime | None = None
        self.stale = 0

    async def post(
        self, path: str, body: bytes, headers: dict[str, str], manner: Manner, answer: Answer, result: Result
    ) -> None:
        """Send on the kept connection; where that one has ended meanwhile, once more on a new one."""
        connection, is_kept = await self._open()
        assert self._lifetime is not None
        result.lifetime = self._lifetime.name
        try:
            await connection.post(path, body, headers, manner, answer)
        except _CUT:
            if not is_kept or answer.status:
                raise
            self.stale += 1
            result.before = result.lifetime
            connection, _ = await self._open()
            result.lifetime = self._lifetime.name
            await connection.post(path, body, headers, manner, answer)

    async def _open(self) -> tuple[Connection, bool]:
        kept = self._connection
        if kept is not None and kept.is_open and self._rng.random() < 0.9:
            return kept, True
        self.close()
        for _ in range(100):
            self._lifetime = self._world.pick(self._rng)
            with suppress(OSError):  # a balancer would ask the next one, too
                self._connection = await connect(self._lifetime.served.url)
                return self._connection, False
            await asyncio.sleep(0.05)
        raise ConnectionRefusedError("no replica listens")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


_Deed = Callable[[Callers, _Line, Random], Awaitable[None]]
_DEEDS: tuple[tuple[int, _Deed], ...] = (
    (12, Callers.converse),
    (2, Callers.embed),
    (1, Callers.spend),
    (3, Callers.call_with_limit),
    (2, Callers.talk_over_socket),
)


def line_of(world: World, rng: Random) -> _Line:
    """A connection for a caller of a fault."""
    return _Line(world, rng)


def _draw(rng: Random) -> _Deed:
    return rng.choices([deed for _, deed in _DEEDS], [weight for weight, _ in _DEEDS])[0]


def _came(asked: Asked, answer: Answer, manner: Manner) -> Came:
    if not answer.is_whole:
        return "left"
    if answer.status != 200:
        return "refused"
    if asked.form == "embeddings":
        return "answered" if b'"embedding"' in answer.body else "wrong"
    if speech.is_right(asked.form, answer.body, asked.stream):
        return "answered"
    return "broken" if asked.stream and speech.says_error(answer.body) else "wrong"


def _code(body: bytes) -> str:
    """The code of an error body; '' where the format has none."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError):
        return ""
    if not isinstance(error, dict):
        return ""
    reasons = [each.get("reason", "") for each in error.get("details") or () if isinstance(each, dict)]
    return str(error.get("code") if isinstance(error.get("code"), str) else next(iter(reasons), "")).lower()
