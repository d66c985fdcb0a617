"""Traffic from the real openai SDK: short conversations over all replicas, each turn repeating what was said so far."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from time import time

from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from gateway.rehearsal.demo.files import AGENT
from gateway.rehearsal.demo.ledger import ClientCall, Ledger

TURNS = (2, 4)  # a conversation's, at least and at most
_MEAN_TURNS = sum(TURNS) / 2
_MOST_CONVERSATIONS = 500  # at once: a gateway that hangs is not buried under more and more of them
_THINKING_SECONDS = (0.2, 0.8)  # a client's pause between two turns
_PATIENCE_SECONDS = 30.0

_QUESTIONS = (
    "Where is my order {}?",
    "Order {} came without its charger. What now?",
    "I want to send order {} back.",
    "Can I still change the address of order {}?",
)
_MORE = ("And when will that be?", "Thanks. Can you mail me that?", "What does it cost me?", "Is there a faster way?")


@dataclass(slots=True)
class _Reply:
    """State of a reply so far."""

    version: str = ""
    attempts: int = 1
    escalated: bool = False
    text: str = ""
    finish_reason: str | None = None


@dataclass(slots=True)
class DemoTraffic:
    """Conversations at a steady pace. `calls_per_second` may be changed while it flows."""

    clients: Sequence[AsyncOpenAI]
    ledger: Ledger
    rng: Random
    calls_per_second: float = 50.0
    _numbers: "count[int]" = field(default_factory=count)
    _open: set[int] = field(default_factory=set)

    async def flow(self) -> None:
        """Begin conversation after conversation until cancelled."""
        async with asyncio.TaskGroup() as conversations:
            due = time()
            while True:
                if len(self._open) < _MOST_CONVERSATIONS:
                    conversations.create_task(self._converse(next(self._numbers)))
                due = max(due, time() - 1.0) + _MEAN_TURNS / self.calls_per_second
                await asyncio.sleep(max(due - time(), 0.0))

    async def _converse(self, number: int) -> None:
        self._open.add(number)
        order = f"{number}-{self.rng.randrange(10_000, 100_000)}"  # a first message of its own: a unit of its own
        said: list[ChatCompletionMessageParam] = [
            {"role": "user", "content": self.rng.choice(_QUESTIONS).format(order)}
        ]
        for turn in range(self.rng.randint(*TURNS)):
            reply = await self._call(number, turn, said)
            if reply is None:
                break
            said.append({"role": "assistant", "content": reply.text})
            said.append({"role": "user", "content": self.rng.choice(_MORE)})
            await asyncio.sleep(self.rng.uniform(*_THINKING_SECONDS))
        self.ledger.forget(number)
        self._open.discard(number)

    async def _call(self, number: int, turn: int, said: list[ChatCompletionMessageParam]) -> _Reply | None:
        """Make and book one turn; each turn of a conversation goes to another replica than the one before."""
        client = self.clients[(number + turn) % len(self.clients)]
        ask = _stream if self.rng.random() < 0.5 else _plain
        reply, problem, started = _Reply(), None, time()
        try:
            await ask(client, said, reply)
            if reply.finish_reason != "stop":
                problem = f"the answer ended with finish_reason {reply.finish_reason}"
        except Exception as error:  # the application's edge: whatever it would have to catch is a visible error
            problem = f"{type(error).__name__}: {error}"
        call = ClientCall(number, turn, reply.version, started, time(), reply.attempts, reply.escalated, problem)
        self.ledger.record(call)
        return reply if problem is None else None


@asynccontextmanager
async def clients_of(base_urls: Sequence[str]) -> AsyncIterator[list[AsyncOpenAI]]:
    """Open one SDK client per replica. They never retry, so every error shows; no proxy is used."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_client(url)) for url in base_urls]


def _client(base_url: str) -> AsyncOpenAI:
    http_client = DefaultAsyncHttpxClient(trust_env=False)
    return AsyncOpenAI(
        base_url=base_url, api_key="none", max_retries=0, timeout=_PATIENCE_SECONDS, http_client=http_client
    )


async def _plain(client: AsyncOpenAI, said: list[ChatCompletionMessageParam], reply: _Reply) -> None:
    raw = await client.chat.completions.with_raw_response.create(model=AGENT, messages=said)
    _read_headers(raw.headers, reply)
    answer: ChatCompletion = raw.parse()
    reply.text = answer.choices[0].message.content or ""
    reply.finish_reason = answer.choices[0].finish_reason


async def _stream(client: AsyncOpenAI, said: list[ChatCompletionMessageParam], reply: _Reply) -> None:
    raw = await client.chat.completions.with_raw_response.create(model=AGENT, messages=said, stream=True)
    _read_headers(raw.headers, reply)
    async with raw.parse() as chunks:
        async for chunk in chunks:
            for choice in chunk.choices:
                reply.text += choice.delta.content or ""
                reply.finish_reason = choice.finish_reason or reply.finish_reason


def _read_headers(headers: Mapping[str, str], reply: _Reply) -> None:
    reply.version = headers.get("x-serinus-version", "")
    reply.attempts = int(headers.get("x-serinus-attempts", "1"))
    reply.escalated = "x-serinus-escalated" in headers
