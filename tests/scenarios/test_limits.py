"""One budget over four replicas, 64 streams at a time, a replica that is killed, and clients that leave."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.processes import Served, configuration, serving
from tests.support.running import provider
from tests.support.waiting import within

NANO_INPUT, NANO_OUTPUT = 1_000, 100_000  # per token, as the configuration prices them
LIMIT_USD = 0.3
MAX_TOKENS = 40
PRICE = {"target": "standin/good", "from": "2026-01-01", "input": 1.0, "output": 100.0}
BUDGET = {"usd": {"24h": LIMIT_USD}, "unpriced": "refuse", "on_store_loss": "refuse"}
STREAMS = 64
SPENT_AFTER = 4  # refusals in a row, half a second apart, after which a client believes that the budget is spent


async def stream(replica: Served, agent: str, number: int, leaves: bool) -> int:
    """The status of one stream, which is read to its end, or left at its first piece. Raises OSError, EOFError."""
    reader, writer = await asyncio.open_connection(*replica.url.removeprefix("http://").split(":"))
    said = [{"role": "user", "content": f"hi {number}"}]
    text = json.dumps({"model": agent, "stream": True, "max_tokens": MAX_TOKENS, "messages": said}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    writer.write(f"{head}content-length: {len(text)}\r\n\r\n".encode() + text)
    answer = await (reader.read(1024) if leaves else reader.read())
    writer.transport.abort()
    if not answer:
        raise EOFError
    return int(answer.split()[1])


async def stream_until_spent(replicas: Sequence[Served], agent: str, number: int, leaving: int) -> None:
    """Ask for one stream after the other until nothing is left."""
    asked = refused = 0
    while refused < SPENT_AFTER:
        asked += 1
        try:
            leaves = bool(leaving) and asked % leaving == 0
            status = await stream(replicas[(number + asked) % len(replicas)], agent, number, leaves)
        except (OSError, EOFError):  # the one that was killed
            await asyncio.sleep(0.05)
            continue
        assert status in (200, 429)
        refused = 0 if status == 200 else refused + 1
        if status != 200:
            await asyncio.sleep(0.5)


def spent_at(standin: Standin) -> int:
    """Nano-dollars by the provider's own books."""
    books = standin.counts("good")
    return books.prompt_tokens * NANO_INPUT + books.completion_tokens * NANO_OUTPUT


@pytest.mark.parametrize(("leaving", "least"), [(0, 0.75), (2, 0.2)], ids=["all stay", "half leave"])
async def test_replicas_spend_one_budget_together(
    tmp_path: Path, redis_url: str, agent: str, leaving: int, least: float
) -> None:
    """Not a nano-dollar more than the budget, though a replica dies with its lease and clients leave their streams.

    Most of it is spent; of streams that are left, what their provider may bill counts, which is more.
    """
    said = ModelBehaviour(chunk_seconds=0.005, chunks=20, output_tokens=MAX_TOKENS)
    async with provider(good=said) as standin, AsyncExitStack() as stack:
        folder = configuration(tmp_path, standin, agent, prices=[PRICE])
        routing = {"agents": {agent: {"stable": "v1", "limits": BUDGET}}}
        (folder / "routing.yaml").write_text(json.dumps(routing))
        environ = {"SERINUS_STORE": redis_url}
        replicas = [await stack.enter_async_context(serving(folder, environ, f"replica{each}")) for each in range(4)]

        async def kill_one() -> None:
            await within(60, lambda: spent_at(standin) > LIMIT_USD * 1e9 / 8)
            await replicas[0].kill()

        clients = [stream_until_spent(replicas, agent, number, leaving) for number in range(STREAMS)]
        async with asyncio.timeout(120):
            await asyncio.gather(kill_one(), *clients)
        spent = spent_at(standin)
    assert spent <= LIMIT_USD * 1e9
    assert spent >= least * LIMIT_USD * 1e9, "the loss of a crash, and what three idle leases hold, is small"
