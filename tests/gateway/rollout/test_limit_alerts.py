"""Alerts of limits: told once over all replicas, with the figures; and once more when a limit has room again."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.limits.ledger import LeaseLedger
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.alerts import AlertWatch
from gateway.rollout.limit_alerts import LEASE, LimitAlerts
from gateway.rollout.recorder import Clock
from gateway.store import connect
from gateway.store.connect import close
from gateway.store.reaching import key_of
from gateway.store.seam import Notice
from tests.support.running import Running, running, write

KEY = "a-key-with-limits"
PRICE = {"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0}


@pytest.fixture
async def two(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[list[Running]]:
    """Two replicas of a gateway whose key has ten requests a day, and next to no money."""
    limits = {"requests": "10/day", "usd": {"24h": 0.00012}, "unpriced": "refuse", "soft": "50%"}
    async with AsyncExitStack() as stack:
        standin = Standin({"good": ModelBehaviour()})
        await standin.start()
        stack.push_async_callback(standin.stop)
        files: dict[str, Any] = {
            "gateway.yaml": {
                "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
                "keys": {agent: {"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "limits": limits}},
                "prices": [PRICE],
            },
            "routing.yaml": {"agents": {agent: {"stable": "v1"}}},
            f"agents/{agent}/v1.yaml": {"model": "standin/good"},
        }
        folder, client = write(tmp_path, files), connect(redis_url)
        await client.delete(key_of(LEASE, "lease"))  # a replica of an earlier test may have it
        await close(client)
        yield [await stack.enter_async_context(running(folder, redis_url)) for _ in range(2)]


async def call(here: Running, agent: str) -> int:
    body = {"model": agent, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    async with httpx2.AsyncClient() as http:
        headers = {"authorization": f"Bearer {KEY}"}
        return (await http.post(f"{here.url}/v1/chat/completions", json=body, headers=headers)).status_code


class Heard:
    """What would go to receivers of alerts: the notice of each."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def add_alert(self, notice: Notice, formats: tuple[str, ...] = ()) -> None:
        self.events.append(notice.event)


def sources(here: Running) -> LimitAlerts:
    """A source of alerts of its own, over the limits of that replica."""
    services = here.gateway.services
    return LimitAlerts(services.store, services.proxy.limits, services.proxy.clock)


async def test_a_soft_share_and_a_spent_budget_are_told_once(two: list[Running], agent: str) -> None:
    """Whichever replica served the calls, and however often they look; a soft share and an end are told apart."""
    statuses = [await call(two[number % 2], agent) for number in range(8)]
    assert 200 in statuses and statuses[-1] == 429
    heard: Any = Heard()
    clock = two[0].gateway.services.proxy.clock
    watches = [AlertWatch(each.store, heard, clock, lambda: None, [sources(each).find]) for each in two]
    for watch in watches * 3:
        await watch.look()
    found = [each for each in heard.events if agent in each["subject"]]
    budget = f"key {agent} usd 24h"
    assert sorted(each["action"] for each in found if each["subject"] == budget) == ["limit_reached", "limit_soft"]
    assert len({(each["action"], each["subject"]) for each in found}) == len(found)
    words = next(each["reason"] for each in found if each["action"] == "limit_reached")
    assert "$0.000120 in 24h" in words and "there is some in 25 h" in words


async def test_only_the_holder_of_the_lease_looks_at_all_limits(two: list[Running], agent: str) -> None:
    """It hears of the store what calls took elsewhere; the other tells of no soft share."""
    for _ in range(6):
        await call(two[0], agent)
    one, other = sources(two[0]), sources(two[1])
    store = two[1].gateway.services.store
    holder = other if await store.lease(LEASE, 45.0) else one
    found = [each for each in await holder.find() if each.kind == "limit_soft"]
    assert [each.subject for each in found if agent in each.subject]
    assert not [each for each in await (one if holder is other else other).find() if each.kind == "limit_soft"]


async def test_a_share_around_the_mark_is_told_once(two: list[Running], agent: str) -> None:
    """A rolling window gives back bit by bit: over is what has a twentieth less, and not the first bit."""
    limits = two[0].gateway.services.proxy.limits
    (holder,) = limits.named_holders()
    requests = next(ledger for ledger in holder.ledgers if ledger.limit.kind == "requests")

    class Fixed:
        """A store whose lease this replica always has."""

        async def lease(self, agent: str, seconds: float) -> bool:
            return True

    store: Any = Fixed()
    source = LimitAlerts(store, limits, Clock(lambda: 0.0, lambda: 1e9))

    async def tells(used: int, ledger: LeaseLedger = requests) -> bool:
        limit = replace(ledger.limit, amount=100)
        ledger.limit, ledger.total, ledger.free, ledger.heard_at = limit, used, 0, 1e12
        return any(each.kind == "limit_soft" and "requests" in each.subject for each in await source.find())

    assert [await tells(used) for used in (49, 50, 48, 47, 49, 50)] == [False, True, True, False, False, True]
