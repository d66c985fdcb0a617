"""A provider in memory, behind the seam of the upstream transports: what it answers, how late, and what it charges."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson

from gateway.errors import ProviderError
from gateway.net.client import Chunks, Headers, PulledChunks, Request, Transport
from gateway.net.client.options import TransportOptions

NAME = "provider"
STABLE, CANARY, SPARE = "one", "two", "spare"  # its models: those of the versions, and the next of a fallback chain
LOOP = "look"  # the tool that a model calls again and again
TOOL = {"type": "function", "function": {"name": LOOP, "parameters": {"type": "object"}}}
_SAID, _ORDER, _NO_ORDER = b'"as you wish"', rb'"{\"id\":\"7\"}"', rb'"{\"id\":7}"'
_JSON: Headers = [(b"content-type", b"application/json")]
_ERRORS = {
    status: orjson.dumps({"error": {"message": "a simulated failure", "type": kind, "param": None, "code": None}})
    for status, kind in ((400, "invalid_request_error"), (429, "rate_limit"), (500, "server_error"))
}


@dataclass(frozen=True, slots=True)
class Weather:
    """How a model does at one moment.

    `errors`, `refused` and `limited` are the shares of calls that end in a 500, a 400 or a 429; `slow` and `dear`
    multiply latency and tokens, `cached` is the share of prompt tokens read from the cache. The spreads are the
    standard deviations of logarithms. Nobody reaches a provider that is `cut_off`. Of the answers the share `slips` is
    wrong in the way `slip` (`truncated`, `empty`, `bad_tools`, `off_schema`, `refusals` or `tool_loops`).
    """

    errors: float = 0.01
    refused: float = 0.01
    limited: float = 0.0
    slow: float = 1.0
    dear: float = 1.0
    cached: float = 0.0
    latency_spread: float = 0.5
    cost_spread: float = 0.7
    cut_off: bool = False
    slips: float = 0.0
    slip: str = "truncated"

    def but(self, **changes: Any) -> "Weather":
        """The same, with changes."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Moment:
    """What the weather may depend on: virtual seconds since the beginning, the model, the replica that asks, and how
    many calls of the model are under way."""

    now: float
    model: str
    replica: int
    busy: int


Climate = Callable[[Moment], Weather]


@dataclass(frozen=True, slots=True)
class Said:
    """What a client's words ask the provider for, as multiples of what is usual; `status` a failure they cause, and
    `fails` the share of calls that fail beside. `slips` is the share of answers that are cut off."""

    slow: float = 1.0
    dear: float = 1.0
    status: int = 0
    fails: float = 0.0
    slips: float = 0.0

    def text(self, conversation: str) -> str:
        """A first message that says so."""
        return f"{conversation} {self.slow:.6g} {self.dear:.6g} {self.status} {self.fails:.6g} {self.slips:.6g}"

    @classmethod
    def read(cls, text: str) -> "Said":
        """What a message says."""
        *_, slow, dear, status, fails, slips = text.split()
        return cls(float(slow), float(dear), int(status), float(fails), float(slips))


@dataclass(slots=True)
class MemoryProvider:
    """One provider, asked by all replicas of a simulation."""

    climate: Climate
    chance: random.Random
    time: Callable[[], float]
    median_seconds: float = 1.0
    median_tokens: int = 400
    calls: dict[str, int] = field(default_factory=dict)
    _busy: dict[str, int] = field(default_factory=dict)

    def transport(self, replica: int) -> Callable[[TransportOptions], Transport]:
        """What makes a replica's transport."""
        return partial(_Transport, self, replica)

    async def answer(self, replica: int, body: bytes) -> "_Response":
        """Answer a request after the time that this takes. Raises ProviderError where nobody is reached."""
        asked = orjson.loads(body)
        model = asked["model"]
        self.calls[model] = self.calls.get(model, 0) + 1
        busy = self._busy.get(model, 0)
        weather = self.climate(Moment(self.time(), model, replica, busy))
        if weather.cut_off:
            raise ProviderError("connect", "the provider cannot be reached")
        said = Said.read(next(each["content"] for each in asked["messages"] if each["role"] == "user"))
        self._busy[model] = busy + 1
        try:
            return await self._answer(weather, said, model, wants_json="response_format" in asked)
        finally:
            self._busy[model] -= 1

    async def _answer(self, weather: Weather, said: Said, model: str, *, wants_json: bool) -> "_Response":
        draw, gauss = self.chance.random, self.chance.gauss
        lot = draw()
        seconds = self.median_seconds * weather.slow * said.slow * math.exp(gauss(0.0, weather.latency_spread))
        tokens = self.median_tokens * weather.dear * said.dear * math.exp(gauss(0.0, weather.cost_spread))
        status = said.status or (500 if self.chance.random() < said.fails else 0)
        if not status and lot < weather.errors + weather.refused + weather.limited:
            status = 500 if lot < weather.errors else 400 if lot < weather.errors + weather.refused else 429
        if status:
            await asyncio.sleep(0.05 if status in (400, 429) else seconds / 4)
            return _Response(status, _ERRORS[status])
        await asyncio.sleep(seconds)
        prompt, cached = int(3 * tokens) + 1, int(3 * tokens) if draw() < weather.cached else 0
        answer = _whole(model, prompt, cached, int(tokens) + 1)
        if wants_json:
            answer = answer.replace(_SAID, _ORDER)
        slips = max(weather.slips, said.slips)
        return _Response(200, _slipped(answer, weather.slip) if slips and draw() < slips else answer)


class _Transport:
    """A `Transport` without a connection."""

    def __init__(self, provider: MemoryProvider, replica: int, options: TransportOptions) -> None:
        self._provider = provider
        self._replica = replica

    async def send(self, request: Request) -> "_Response":
        return await self._provider.answer(self._replica, request.body)

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class _Response:
    """A `Response` that is there whole."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=lambda: _JSON)
    encoding: bytes = b""

    def chunks(self) -> Chunks:
        return PulledChunks(self._read())

    async def _read(self) -> AsyncGenerator[bytes]:
        yield self.body

    async def whole(self, limit: int) -> bytes:
        return self.body

    async def aclose(self) -> None: ...


def _slipped(answer: bytes, slip: str) -> bytes:
    """Return an answer that is wrong in this way."""
    if slip == "empty":
        answer = answer.replace(b"as you wish", b"")
        before, _, usage = answer.partition(b'"completion_tokens":')
        return before + b'"completion_tokens":1' + usage[usage.index(b",") :]
    if slip == "off_schema":
        return answer.replace(_ORDER, _NO_ORDER)
    if slip == "refusals":
        return answer.replace(b'"content":' + _SAID, b'"content":null,"refusal":"I would rather not."')
    if slip in ("bad_tools", "tool_loops"):
        name = LOOP.encode() if slip == "tool_loops" else b"nobody_knows"
        call = b'"tool_calls":[{"id":"c","type":"function","function":{"name":"%s","arguments":"{}"}}]' % name
        return answer.replace(b'"content":' + _SAID, b'"content":null,' + call).replace(b'"stop"', b'"tool_calls"')
    return answer.replace(b'"stop"', b'"length"')


def _whole(model: str, prompt: int, cached: int, completion: int) -> bytes:
    return (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"%s","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"as you wish"},"finish_reason":"stop","logprobs":null}],"usage":'
        b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}}'
        % (model.encode(), prompt, completion, prompt + completion, cached)
    )
