"""Copies for a shadow: taken, bounded and booked apart; no client, circuit or decision notices them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.call.shadow import MAX_WAITING, WORKERS, Shadows
from gateway.call.shadow_budget import Purse
from gateway.calls import Call, Caller
from gateway.json_body import Document
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.recorder import Clock
from gateway.rollout.status_view import CallSums, ShadowQueueView
from gateway.rollout.table import Entry
from routing.plan import Plan
from tests.conftest import Serve
from tests.support.calling import HELLO, Place, eventually, failing
from tests.support.redis_servers import until

V9 = {"v9.yaml": {"model": "standin/shadow", "system_prompt": "You are v9."}}
BAD: Any = ["status", "reset", "html", "truncate", "error_in_200"]


def shadow(sample: str = "100%", **more: Any) -> dict[str, Any]:
    """A routing entry whose shadow is v9."""
    return {"shadow": {"version": "v9", "sample": sample, **more}}


async def copies(place: Place, requests: int = 1) -> CallSums:
    """What the status says of the shadow's copies, once that many are booked."""
    async with asyncio.timeout(5):
        while True:
            found = (await place.books("v9", 0)).shadow
            if found and found.requests >= requests:
                return found
            await asyncio.sleep(0.02)


def dropped(place: Place) -> Any:
    return place.running.gateway.shadows.view().dropped


async def test_a_call_is_copied_to_the_shadow(serve: Serve) -> None:
    """The client's words under the shadow's version, and its reply goes nowhere."""
    place = await serve(routing=shadow(), files=V9)
    reply = await place.chat({"idempotency-key": "k-1"}, temperature=0.5)
    assert reply.json()["model"] == "good"
    assert reply.headers["x-serinus-version"] == "v1"
    assert reply.headers["x-serinus-attempts"] == "1"
    await copies(place)
    (copy,) = [request for request in place.standin.requests if b'"shadow"' in request.raw_body]
    body = Document.parse(copy.raw_body).values
    assert body["messages"] == [{"role": "system", "content": "You are v9."}, *HELLO]
    assert body["temperature"] == 0.5
    assert "idempotency-key" not in {name.lower() for name, _ in copy.headers}


async def test_a_copy_is_booked_apart(serve: Serve) -> None:
    """Its tokens, latency and cost are the shadow's; no version has served a call that it did not."""
    prices = [{"target": "standin/shadow", "from": "2020-01-01", "input": 10, "output": 20}]
    place = await serve(routing=shadow(), files=V9, gateway={"prices": prices})
    place.standin.behave("shadow", ModelBehaviour(prompt_tokens=100, output_tokens=10))
    await place.chat()
    booked = await copies(place)
    assert (booked.requests, booked.errors, booked.tokens.input) == (1, 0, 100)
    assert booked.latency_seconds.p50 is not None
    assert booked.cost_usd == pytest.approx(0.0012)
    assert (await place.books("v9", 0)).requests == 0
    assert (await place.books("v1")).requests == 1
    assert (await place.books("v1")).shadow is None


async def test_a_stream_is_copied_as_a_stream(serve: Serve) -> None:
    """It is read to its end, so that its first token and its usage are known."""
    place = await serve(routing=shadow(), files=V9)
    async for _ in await place.sdk().chat.completions.create(model=place.agent, messages=HELLO, stream=True):
        pass
    booked = await copies(place)
    assert booked.ttft_seconds.p50 is not None
    assert booked.tokens.output == 8
    assert place.standin.counts("shadow").cancelled == 0


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failing_shadow_is_booked_and_nothing_else(serve: Serve, fault: Any, stream: bool) -> None:
    """The client has its answer, one try is made, and no circuit hears of it."""
    place = await serve(routing=shadow(), files=V9, gateway={"circuit": {"failures": 1}, "retries": {"per_target": 2}})
    place.standin.behave("shadow", failing(fault))
    for _ in range(3):
        assert (await place.chat(stream=stream)).status_code == 200
    booked = await copies(place, 3)
    assert (booked.requests, booked.errors) == (3, 3)
    assert place.standin.counts("shadow").requests == 3
    assert place.running.gateway.services.proxy.attempts.circuits.states() == {}


async def test_a_hanging_shadow_has_the_time_of_a_call(serve: Serve) -> None:
    """Then it is a failure of its own; the client was answered long before."""
    place = await serve(routing=shadow(), files=V9, gateway={"timeouts": {"answer": "300ms"}})
    place.standin.behave("shadow", failing("hang"))
    async with asyncio.timeout(0.25):
        assert (await place.chat()).status_code == 200
    assert (await copies(place)).errors == 1


async def test_an_open_circuit_is_left_alone(serve: Serve) -> None:
    """A target that is known to be unwell gets no copies on top."""
    place = await serve(routing=shadow(), files=V9, gateway={"circuit": {"failures": 1}})
    place.standin.behave("shadow", failing("status"))
    assert (await place.chat(model=f"{place.agent}@v9")).status_code == 500
    await place.chat()
    await eventually(lambda: dropped(place) == {"circuit_open": 1})
    assert place.standin.counts("shadow").requests == 1


async def test_a_pinned_call_is_not_copied(serve: Serve) -> None:
    """Only what the split assigned is a sample of the traffic."""
    place = await serve(routing=shadow(), files=V9)
    await place.chat(model=f"{place.agent}@v1")
    await place.chat()
    assert (await copies(place)).requests == 1
    assert place.standin.counts("shadow").requests == 1


async def test_a_burst_is_cut_at_the_queue(serve: Serve) -> None:
    """A shadow that hangs holds its workers and a queue, and every client is answered all the same."""
    place = await serve(routing=shadow(max_per_minute=1000), files=V9)
    place.standin.behave("shadow", failing("hang"))
    room, burst = WORKERS + MAX_WAITING, WORKERS + MAX_WAITING + 30
    replies = await asyncio.gather(*(place.chat() for _ in range(burst)))
    assert {reply.status_code for reply in replies} == {200}
    assert dropped(place) == {"queue_full": burst - room}
    assert place.standin.counts("shadow").requests <= WORKERS


async def test_a_burst_is_cut_at_the_budget(serve: Serve) -> None:
    """What is beyond the minute's copies is not copied."""
    place = await serve(routing=shadow(max_per_minute=3), files=V9)
    await asyncio.gather(*(place.chat() for _ in range(10)))
    assert dropped(place) == {"budget": 7}
    assert (await copies(place, 3)).requests == 3


PRICES = [{"target": "standin/shadow", "from": "2020-01-01", "input": 10, "output": 20}]  # USD per million tokens


async def test_a_days_money_is_for_all_replicas(serve: Serve) -> None:
    """When it is spent, here or elsewhere, nothing more is copied; calls are answered as ever."""
    place = await serve(routing=shadow(max_usd_per_day=0.0025), files=V9, gateway={"prices": PRICES})
    place.standin.behave("shadow", ModelBehaviour(prompt_tokens=100, output_tokens=0))
    await place.chat()
    await copies(place)
    store, today = place.running.gateway.store.store, datetime.now(UTC).date().isoformat()
    await until_spent(place, 1_000_000)
    assert await store.spend(place.agent, today, 1_499_999) == 2_499_999, "another replica has copied, too"
    for expected in (None, 1, 2):
        assert (await place.chat()).status_code == 200
        await eventually(lambda: dropped(place).get("spent") == expected)  # noqa: B023 - asked within the turn
        await until_spent(place, 3_499_999)
    assert place.standin.counts("shadow").requests == 2


async def until_spent(place: Place, nano_usd: int) -> None:
    """Wait until the store knows of so much spent today."""
    store, today = place.running.gateway.store.store, datetime.now(UTC).date().isoformat()

    async def is_spent() -> bool:
        return await store.spend(place.agent, today, 0) >= nano_usd

    await until(is_spent)


async def test_without_a_limit_nobody_keeps_accounts(serve: Serve) -> None:
    """And no copy waits for the store."""
    place = await serve(routing=shadow(), files=V9, gateway={"prices": PRICES})
    await place.chat()
    await copies(place)
    today = datetime.now(UTC).date().isoformat()
    assert await place.running.gateway.store.store.spend(place.agent, today, 0) == 0


@dataclass
class Time:
    """A clock that a test moves. Seconds."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """Copies that no worker takes, and a call to offer."""

    shadows: Shadows
    entry: Entry
    place: Place
    time: Time

    def offer(self, text: str = "hello") -> None:
        body = f'{{"messages":[{{"role":"user","content":"{text}"}}]}}'.encode()
        call = Call(
            "c-1",
            Caller("ann", "all"),
            self.place.agent,
            None,
            Document.parse(body),
            False,
            False,
            [],
            "",
            0.0,
            format="openai",
        )
        version = self.entry.agent.versions["v1"]
        plan = Plan(version, "split", "unit", (version.target,))
        self.shadows.offer(call, plan, self.entry, self.place.running.gateway.services.runtime)


@asynccontextmanager
async def bench(serve: Serve, **more: Any) -> AsyncIterator[Bench]:
    place = await serve(routing=shadow(**more), files=V9)
    services, time = place.running.gateway.services, Time()
    entry = services.table.entry(place.agent)
    assert entry is not None
    proxy = services.proxy
    purse = Purse(place.running.gateway.store.store, time)
    shadows = Shadows(services.table, proxy.attempts, proxy.recorder, Clock(time, time), purse, proxy.limits)
    yield Bench(shadows, entry, place, time)


async def test_the_budget_is_of_any_minute(serve: Serve) -> None:
    """Whichever sixty seconds one looks at, no more than the budget was copied in them."""
    async with bench(serve, max_per_minute=2) as here:
        for second in (0.0, 30.0, 59.9, 60.0, 60.1, 89.9, 90.0):
            here.time.now = 1000.0 + second
            here.offer()
    assert here.shadows.view() == ShadowQueueView(4, {"budget": 3})


async def test_another_budget_holds_at_once(serve: Serve) -> None:
    """What the last minute has used up stays used up when the configuration changes."""
    async with bench(serve, max_per_minute=2) as here:
        for _ in range(3):
            here.offer()
        assert here.entry.agent.shadow is not None
        more = replace(here.entry.agent.shadow, max_per_minute=3)
        here.entry = replace(here.entry, agent=replace(here.entry.agent, shadow=more))
        for _ in range(3):
            here.offer()
    assert here.shadows.view() == ShadowQueueView(3, {"budget": 3})


async def test_waiting_copies_are_bounded_by_their_size_too(serve: Serve) -> None:
    """A queue full of pictures would be too much to keep."""
    async with bench(serve) as here:
        for _ in range(4):
            here.offer("x" * 3_000_000)
        here.offer()
    assert here.shadows.view() == ShadowQueueView(3, {"queue_full": 2})


async def test_a_shadow_that_was_taken_out_gets_nothing_more(serve: Serve) -> None:
    """Copies that wait for it are dropped."""
    async with bench(serve) as here:
        here.offer()
        here.place.running.gateway.services.table.install({})
        task = asyncio.create_task(here.shadows.work())
        await eventually(lambda: here.shadows.view() == ShadowQueueView(0, {"withdrawn": 1}))
        task.cancel()
    assert here.place.standin.counts("shadow").requests == 0
