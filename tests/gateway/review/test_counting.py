"""Labels as scores: once each, over two replicas and replies that are lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest_asyncio

from gateway.errors import StoreAway
from gateway.rehearsal.standin import ModelBehaviour
from gateway.replica.replica import Seams
from gateway.store.review_seam import LabelName
from gateway.timings import USUAL
from tests.support.crowd import Line
from tests.support.faulty_store import deny, lose_reply
from tests.support.running import Running, provider, running, trial, write

AT_ONCE = replace(USUAL, review_undo=0.0, review_look=3600.0)


@pytest_asyncio.fixture
async def replicas(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[list[Running]]:
    """Two gateways over one store whose calls are all reviewed, and labels count when a test says so."""
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(good=ModelBehaviour(), bad=ModelBehaviour()))
        files = trial(agent, standin, record_content="all", review={"sample": "100%"})
        folder, seams = write(tmp_path, files), Seams(timings=AT_ONCE)
        yield [await stack.enter_async_context(running(folder, redis_url, seams=seams)) for _ in range(2)]


async def review(at: Running, agent: str, *labels: LabelName) -> None:
    """Call the agent, and label its answers."""
    line, services = Line(at.url), at.gateway.services
    for label in labels:
        await line.chat(agent, "hello")
        await services.traces.catch_up()
        await services.reviews.queue.write()
        lease = (await services.reviews.desk.take_next(agent)).name
        assert await services.reviews.desk.label(agent, lease, [(label, "")], "ada") == "labelled"
    line.close()


def scored(replicas: list[Running]) -> int:
    """Scores that all replicas have taken."""
    found = [each.gateway.services.proxy.recorder.samples()["serinus_quality_scores_total"] for each in replicas]
    return round(sum(values[0] for counted in found for values in counted.values()))


async def test_two_replicas_count_a_label_once(replicas: list[Running], agent: str) -> None:
    """Whoever claims it, and however often both look."""
    await review(replicas[0], agent, "good", "bad", "good")
    counters = [each.gateway.services.reviews.counter for each in replicas]
    await asyncio.gather(*(each.count(agent) for each in (*counters, *counters)))
    for each in counters:
        await each.count(agent)
    assert scored(replicas) == 3
    assert {label.counted for label in await replicas[0].store.review_labels(agent)} == {"counted"}


async def test_lost_replies_count_nothing_twice(replicas: list[Running], agent: str) -> None:
    """Wherever in between the store is away: the replica that claimed the label goes on where it was."""
    one = replicas[0]
    await review(one, agent, "good")
    for method in ("claim_labels", "first_feedback", "find_verdicts", "settle_labels"):
        for fault in (deny, lose_reply):
            one.store.script(method, fault)
            try:
                await one.gateway.services.reviews.counter.count(agent)
            except StoreAway:
                continue
    for each in (*replicas, *replicas):
        await each.gateway.services.reviews.counter.count(agent)
    assert scored(replicas) == 1


async def test_a_version_or_a_caller_that_is_gone(replicas: list[Running], agent: str) -> None:
    """The label is kept, and says why it is no score."""
    one = replicas[0]
    await review(one, agent, "good", "good")
    services = one.gateway.services
    services.table.install({})
    await services.reviews.counter.count(agent)
    assert {label.counted for label in await one.store.review_labels(agent)} == {
        "the call's caller is no longer configured, or may not call the agent"
    }
    assert scored(replicas) == 0
