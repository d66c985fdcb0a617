"""Two replicas that are restarted one after the other, and starts while the store and every provider are away."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.crowd import Line, crowd
from tests.support.processes import (
    Served,
    booked,
    configuration,
    serving,
    stream,
    until_booked,
)
from tests.support.redis_servers import ExternalRedis, until
from tests.support.running import provider

CONNECTIONS = 8
STREAMS = 10
HASTE_SECONDS = 5.0  # a drain would take 30


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider(good=ModelBehaviour(chunks=12, chunk_seconds=0.1)) as made:
        yield made


class Balancer:
    """Connections that call through a balancer: one that is refused goes to the next replica, as nothing was sent.

    `broken` are calls without an answer.
    """

    def __init__(self, replicas: Sequence[Served], agent: str) -> None:
        self.statuses = Counter[int]()
        self.broken = 0
        self._replicas = list(replicas)
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._call(agent, number)) for number in range(CONNECTIONS)]

    def replace(self, old: Served, new: Served) -> None:
        """Send to the new one in place of the old one."""
        self._replicas[self._replicas.index(old)] = new

    async def more(self, calls: int) -> None:
        """Wait until so many more calls were answered."""
        wanted = self.statuses.total() + calls
        await until(lambda: self._has(wanted))

    async def end(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _has(self, wanted: int) -> bool:
        return self.statuses.total() >= wanted

    async def _call(self, agent: str, number: int) -> None:
        turns = itertools.count(number)
        while not self._over.is_set():
            line = Line(self._replicas[next(turns) % len(self._replicas)].url)
            is_open = True
            while is_open and not self._over.is_set():
                is_open = await self._call_on(line, agent, number)
                await asyncio.sleep(0.005)
            line.close()

    async def _call_on(self, line: Line, agent: str, number: int) -> bool:
        """Call once; whether the connection may be used again."""
        try:
            reply = await line.chat(agent, f"question {number}")
        except ConnectionRefusedError:
            return False
        except (OSError, EOFError):
            self.broken += 1
            return False
        self.statuses[reply.status] += 1
        return reply.headers.get("connection") != "close"


async def test_two_replicas_are_replaced_under_load(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """One after the other, with streams open at each: no call fails, no stream breaks, every call is in the books."""
    folder, environ = configuration(tmp_path, standin, agent), {"SERINUS_STORE": redis_url}
    async with AsyncExitStack() as stack:

        async def replica(name: str) -> Served:
            return await stack.enter_async_context(serving(folder, environ, name))

        before, after = [await replica("one"), await replica("two")], list[Served]()
        balancer, streams = Balancer(before, agent), list[asyncio.Task[bytes]]()
        for old in before:
            await balancer.more(60)
            streams += [asyncio.create_task(stream(old, agent)) for _ in range(STREAMS)]
            await until(lambda: are_open(standin))
            assert await old.end() == 0
            after.append(await replica(f"new {len(after)}"))
            balancer.replace(old, after[-1])
        await balancer.more(60)
        await balancer.end()
        answers = await asyncio.gather(*streams)
        assert balancer.broken == 0 and set(balancer.statuses) == {200}
        assert all(b"[DONE]" in answer and answer.rstrip().endswith(b"0") for answer in answers)
        await until_booked(after[0], agent, balancer.statuses.total() + len(streams))


async def are_open(standin: Standin) -> bool:
    return standin.counts("good").open >= STREAMS


async def test_a_second_sigterm_ends_what_the_first_one_lets_finish(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Streams that would last are cut without their end; the process is gone at once, with code 0."""
    standin.behave("good", ModelBehaviour(chunks=600, chunk_seconds=0.1))
    async with serving(configuration(tmp_path, standin, agent), {"SERINUS_STORE": redis_url}) as served:
        streams = [asyncio.create_task(stream(served, agent)) for _ in range(STREAMS)]
        await until(lambda: are_open(standin))
        served.process.terminate()
        await asyncio.sleep(0.3)
        assert served.process.returncode is None
        served.process.terminate()
        async with asyncio.timeout(HASTE_SECONDS):
            assert await served.process.wait() == 0
        answers = await asyncio.gather(*streams, return_exceptions=True)  # some were reset
        assert not any(isinstance(answer, bytes) and b"[DONE]" in answer for answer in answers)
        assert served.log()[-1]["event"] == "stopped" and "Traceback" not in served.errors.read_text()


async def test_a_start_without_store_and_provider_recovers_by_itself(tmp_path: Path, agent: str) -> None:
    """Ready, with a clear error for every call; the provider is used as soon as it is there, and so is the store."""
    redis, standin = ExternalRedis(tmp_path / "redis"), Standin({})
    await standin.start()
    folder, port = configuration(tmp_path, standin, agent, circuit={"open_for": "1s"}), standin.port
    await standin.stop()
    async with serving(folder, {"SERINUS_STORE": redis.url}) as served, crowd(served.url) as people:
        assert (await served.ask("GET", "/readyz")).status == 200
        failed = await people.call(agent)
        assert failed.status == 502 and b"cannot be reached: connections to it are refused" in failed.body
        again = Standin({})
        await again.start(port=port)

        async def answers() -> bool:
            return (await people.call(agent)).status == 200

        await until(answers)
        await redis.start()

        async def counts() -> bool:
            await people.call(agent)
            view = await served.status()
            return view.gateway.store.ok and booked(view.agents[agent]) > 0

        await until(counts)
        await again.stop()
    await redis.kill()
