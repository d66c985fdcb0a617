"""Metrics of several workers over real socket pairs: a scrape at any has the sums of all, and none ever falls."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from socket import SHUT_RDWR, socket, socketpair

import pytest

from gateway.errors import GatewayError
from gateway.replica.workers.reports import ReportDesk, ReportLine
from gateway.telemetry.families import DECISIONS, IN_FLIGHT
from gateway.telemetry.samples import Samples, add_up
from tests.support.waiting import within

SOON = 5.0
KEY = ("a", "start")


@dataclass(slots=True)
class Fleet:
    """A parent and its workers, each with what it has counted."""

    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    workers: "list[Worker]" = field(default_factory=list)
    desk: ReportDesk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = ReportDesk(self.do)

    def do(self, work: Coroutine[object, object, None]) -> object:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def worker(self) -> "Worker":
        """One more, at its line."""
        ours, theirs = socketpair()
        worker = Worker(ReportLine(theirs, lambda: worker.samples()), theirs)
        self.workers.append(worker)
        self.do(self.desk.follow(ours))
        worker.attending = asyncio.create_task(worker.line.attend())
        self.tasks.append(worker.attending)
        await within(SOON, lambda: worker.line.is_open and len(self.desk) > 0)
        return worker


@dataclass(slots=True)
class Worker:
    """A worker's counts. One that `hangs` reports nothing."""

    line: ReportLine
    ends: socket
    calls: float = 0.0
    attending: asyncio.Task[None] | None = None

    def samples(self) -> Samples:
        return {DECISIONS.name: {KEY: [self.calls]}, IN_FLIGHT.name: {(): [1.0]}}

    async def scrape(self) -> tuple[float, float]:
        """The calls of all, and those in flight."""
        total = add_up(await self.line.collect(self.samples()))
        return total[DECISIONS.name][KEY][0], total[IN_FLIGHT.name][()][0]

    def stop(self) -> None:
        """Answer nothing any more."""
        assert self.attending
        self.attending.cancel()


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet()
    yield fleet
    for worker in fleet.workers:
        await worker.line.finish()
    for task in fleet.tasks:
        task.cancel()
    await asyncio.gather(*fleet.tasks, return_exceptions=True)
    await asyncio.sleep(0.01)  # connections end at the loop's next turn


async def test_whichever_worker_is_asked_has_the_sums_of_all(fleet: Fleet) -> None:
    """As they are now, not as they were at the last scrape."""
    one, two = await fleet.worker(), await fleet.worker()
    one.calls, two.calls = 2, 3
    assert await one.scrape() == (5, 2)
    two.calls = 4
    assert await two.scrape() == await one.scrape() == (6, 2)


async def test_a_worker_that_ends_well_leaves_its_last_counts(fleet: Fleet) -> None:
    """What it counted after the last scrape too; its gauges go with it."""
    one, two = await fleet.worker(), await fleet.worker()
    two.calls = 7
    two.stop()
    await two.line.finish()
    await within(SOON, lambda: len(fleet.desk) == 1)
    one.calls = 1
    assert await one.scrape() == (8, 1)


async def test_a_worker_that_is_killed_takes_nothing_of_what_was_shown(fleet: Fleet) -> None:
    """A successor that begins at nothing lowers no sum."""
    one, two = await fleet.worker(), await fleet.worker()
    one.calls, two.calls = 1, 7
    assert await one.scrape() == (8, 2)
    two.stop()
    two.ends.shutdown(SHUT_RDWR)
    await within(SOON, lambda: len(fleet.desk) == 1)
    three = await fleet.worker()
    three.calls = 2
    assert await one.scrape() == await three.scrape() == (10, 2)


async def test_a_stuck_worker_counts_as_it_last_reported(fleet: Fleet) -> None:
    """The scrape waits for it a moment, and answers."""
    one, two = await fleet.worker(), await fleet.worker()
    two.calls = 7
    assert (await one.scrape())[0] == 7
    two.stop()
    two.calls = 9
    assert (await one.scrape())[0] == 7


async def test_two_scrapes_at_once_have_each_their_answer(fleet: Fleet) -> None:
    """Two monitoring systems may ask one worker, and two workers, at the same time."""
    one, two = await fleet.worker(), await fleet.worker()
    one.calls = two.calls = 1
    scraped = await asyncio.gather(one.scrape(), one.scrape(), two.scrape())
    assert set(scraped) == {(2.0, 2.0)}


async def test_a_worker_without_a_parent_shows_no_part_for_the_whole(fleet: Fleet) -> None:
    """A counter that falls looks like a restart, and is counted twice: better no answer."""
    one = await fleet.worker()
    fleet.tasks[0].cancel()
    await within(SOON, lambda: not one.line.is_open)
    with pytest.raises(GatewayError, match="try again"):
        await one.scrape()
