"""A rollout advances by itself, waits for a person where it must, and is rolled back on whatever harm is proven."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import AgentView
from tests.support.crowd import Crowd, Line, Reply, ask, crowd
from tests.support.running import ADMIN_TOKEN, Running, running, trial, write

STEP = {"hold": "1s", "min_requests": 30}
ALL_STEPS = tuple({"weight": weight, **STEP} for weight in ("5%", "25%", "50%", "100%"))
LATER = ({"weight": "10%", **STEP}, {"weight": "25%", "hold": "1h", "min_requests": 30})
SIDE_BY_SIDE = 16
CLIMBS_WITHIN = 60.0  # seconds; it takes about one a step, the rest is for a busy machine
PRICE = {"from": "2020-01-01", "input": 1.0, "output": 1.0}
PRICES = [{"target": f"standin/{model}", **PRICE} for model in ("good", "bad")]


@dataclass(frozen=True, slots=True)
class Climb:
    """A gateway with one agent with steps, v1 on model `good` and v2 on model `bad`, and the calls it gets."""

    running: Running
    standin: Standin
    agent: str
    people: Crowd
    folder: Path

    async def view(self) -> AgentView:
        """The agent's status."""
        return (await self.running.gateway.services.status.agents([self.agent]))[self.agent]

    async def until(self, holds: Callable[[AgentView], bool]) -> AgentView:
        """The agent's status, once it is as wanted and calls are served by it. The calls go on meanwhile."""
        async with asyncio.timeout(CLIMBS_WITHIN):
            while True:
                if holds(view := await self.view()) and view.epoch <= self._epoch():
                    return view
                await asyncio.sleep(0.05)

    def _epoch(self) -> int:
        """The epoch by which the gateway serves; its status may be a moment ahead."""
        state = self.running.gateway.services.table.seen(self.agent)
        return state.epoch if state else 0

    async def events(self) -> list[Any]:
        """What is on record, oldest first."""
        reply = await self.as_admin("GET", f"/audit/{self.agent}")
        return list(reversed(json.loads(reply.body)["events"]))

    async def as_admin(self, method: str, path: str, body: bytes = b"", *headers: str) -> Reply:
        return await ask(self.running.url, method, path, body, (f"authorization: Bearer {ADMIN_TOKEN}", *headers))

    async def serving(self) -> set[str]:
        """The versions that serve now."""
        return {reply.version for reply in await self.people.call_often(self.agent, 60)}


def files(agent: str, standin: Standin, steps: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """The agent's steps; every call has a price."""
    entry = {"stable": "v1", "canary": "v2", "steps": list(steps)}
    found = trial(agent, standin) | {"routing.yaml": {"agents": {agent: entry}}}
    return found | {"gateway.yaml": {**cast(Any, found["gateway.yaml"]), "prices": PRICES}}


def of_any_length(number: int) -> str:
    """A question between some words and some pages long, so that calls do not all cost the same."""
    return f"question {number} " + "peep " * (number * 37 % 800)


@asynccontextmanager
async def climbing(
    folder: Path, redis_url: str, agent: str, steps: Iterable[Mapping[str, object]], alike: ModelBehaviour
) -> AsyncIterator[Climb]:
    """The rollout begins, and calls come in all the time. At first the versions behave alike."""
    standin = Standin({"good": alike, "bad": alike})
    await standin.start()
    write(folder, files(agent, standin, steps))
    try:
        async with (
            running(folder, redis_url) as gateway,
            crowd(gateway.url, saying=of_any_length) as people,
            going_on(lambda: people.call_often(agent, SIDE_BY_SIDE, SIDE_BY_SIDE)),
        ):
            yield Climb(gateway, standin, agent, people, folder)
    finally:
        await standin.stop()


@asynccontextmanager
async def going_on(work: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do that again and again meanwhile."""

    over = asyncio.Event()

    async def until_over() -> None:
        while not over.is_set():
            await work()

    task = asyncio.create_task(until_over())
    try:
        yield
    finally:
        over.set()
        await task


def actions(events: Iterable[Any]) -> list[str]:
    return [event["action"] for event in events]


def only_proof(rollback: Any, metric: str) -> bool:
    """Whether the rollback rests on that metric, with nothing to be said against any other."""
    blamed = {text for text, e_value in rollback["evidence"]["e_values"].items() if e_value >= 10}
    return rollback["evidence"]["guardrail"].startswith(metric) and all(text.startswith(metric) for text in blamed)


async def test_a_rollout_completes_by_itself(tmp_path: Path, redis_url: str, agent: str) -> None:
    """5, 25, 50, 100 %: then the canary serves everybody, under the same file and under one that makes it stable."""
    async with climbing(tmp_path, redis_url, agent, ALL_STEPS, ModelBehaviour(latency_seconds=0.01)) as climb:
        await climb.until(lambda view: view.phase == "completed")
        events = await climb.events()
        climbed = [event for event in events if event["action"] != "freeze"]
        assert actions(climbed) == ["start", "advance", "advance", "advance", "complete"]
        assert {event["actor"] for event in climbed[1:]} == {"controller"}
        assert [event["weight"] for event in climbed] == [500, 2500, 5000, 9800, 10_000]
        assert min(event["evidence"]["canary"]["units"] for event in climbed[1:]) >= 30
        assert await climb.serving() == {"v2"}
        write(climb.folder, {"routing.yaml": {"agents": {agent: {"stable": "v2"}}}})
        assert (await climb.view()).weight == 1.0
        climb.running.reload()
        assert await climb.serving() == {"v2"}
        await asyncio.sleep(1.2)  # a poll has looked at the new file
        assert await climb.events() == events and (await climb.view()).phase == "completed"


async def test_a_completed_rollout_is_completed_for_who_comes_later(tmp_path: Path, redis_url: str, agent: str) -> None:
    """A replica that starts after it, with the unchanged file, serves the canary to everybody and begins nothing."""
    steps = ({"weight": "50%", **STEP},)
    async with climbing(tmp_path, redis_url, agent, steps, ModelBehaviour()) as climb:
        done = await climb.until(lambda view: view.phase == "completed")
        async with running(tmp_path, redis_url) as later, crowd(later.url) as people:
            assert {reply.version for reply in await people.call_often(agent, 60)} == {"v2"}
        assert (await climb.view()).epoch == done.epoch


async def test_steps_that_are_changed_on_the_way_are_followed(tmp_path: Path, redis_url: str, agent: str) -> None:
    """An hour's hold becomes a second: it climbs, and the audit says that the file was changed, from what to what."""
    steps = ({"weight": "25%", "hold": "1h", "min_requests": 30}, {"weight": "50%", "hold": "1h"})
    async with climbing(tmp_path, redis_url, agent, steps, ModelBehaviour()) as climb:
        await climb.until(lambda view: view.versions["v2"].requests > 60)
        write(tmp_path, files(agent, climb.standin, ({**steps[0], "hold": "1s"}, steps[1])))
        climb.running.reload()
        await climb.until(lambda view: view.step == 2)
        changed = [event for event in await climb.events() if event["action"] not in ("freeze", "start")]
    assert [(event["action"], event["actor"]) for event in changed] == [
        ("steps", "configuration"), ("advance", "controller"),
    ]  # fmt: skip
    assert changed[0]["reason"] == (
        "in the configuration: 25% for 3600 s, 30 requests → 50% for 3600 s became "
        "25% for 1 s, 30 requests → 50% for 3600 s"
    )


async def test_a_step_waits_for_approval(tmp_path: Path, redis_url: str, agent: str) -> None:
    """All else is there, and it stays at its weight until somebody approves; then it goes on at once."""
    steps = ({"weight": "25%", **STEP, "approval": "required"}, {"weight": "50%", "hold": "1h"})
    async with climbing(tmp_path, redis_url, agent, steps, ModelBehaviour()) as climb:
        await climb.until(lambda view: view.versions["v1"].requests > 500)
        await climb.until(lambda view: view.waits_for == ("a person's approval is needed",))
        await asyncio.sleep(2.5)  # two polls, of which one froze the thresholds
        view = await climb.view()
        assert (view.step, view.weight) == (1, 0.25)
        order = json.dumps({"actor": "kim", "reason": "the answers read well"}).encode()
        reply = await climb.as_admin("POST", f"/admin/agents/{agent}/approve", order, f"if-match: {view.epoch}")
        assert reply.status == 200, reply
        await climb.until(lambda view: view.weight == 0.5)
        approved, advanced = (await climb.events())[-2:]
        assert approved["reason"] == "the answers read well"
        assert (approved["action"], approved["actor"]) == ("approve", "kim")
        assert (advanced["action"], advanced["actor"]) == ("advance", "controller")


async def rolled_back_later(climb: Climb) -> Any:
    """The event of the rollback, after a first step that was held well."""
    view = await climb.until(lambda view: view.phase == "rolled_back")
    events = await climb.events()
    assert [action for action in actions(events) if action != "freeze"] == ["start", "advance", "roll_back"]
    assert view.weight == 0.0 and await climb.serving() == {"v1"}
    assert events[-1]["evidence"]["canary_errors"] == 0
    return events[-1]


async def test_latency_alone_rolls_back_at_a_later_step(tmp_path: Path, redis_url: str, agent: str) -> None:
    """At 25 % the canary becomes twice as slow; nothing fails, nothing costs more."""
    async with climbing(tmp_path, redis_url, agent, LATER, ModelBehaviour(latency_seconds=0.03)) as climb:
        await climb.until(lambda view: view.step == 2)
        climb.standin.behave("bad", ModelBehaviour(latency_seconds=0.06))
        rollback = await rolled_back_later(climb)
        assert only_proof(rollback, "latency_p90"), rollback


async def test_cost_alone_rolls_back_at_a_later_step(tmp_path: Path, redis_url: str, agent: str) -> None:
    """At 25 % the canary begins to talk too much; nothing fails, nothing is slow."""
    modest = ModelBehaviour(latency_seconds=0.01, output_tokens=100)
    async with climbing(tmp_path, redis_url, agent, LATER, modest) as climb:
        await climb.until(lambda view: view.step == 2)
        climb.standin.behave("bad", modest.model_copy(update={"output_tokens": 600}))
        rollback = await rolled_back_later(climb)
        assert only_proof(rollback, "cost"), rollback


async def test_quality_alone_rolls_back_at_a_later_step(tmp_path: Path, redis_url: str, agent: str) -> None:
    """At 25 % people begin to say what they think of the answers; nothing fails, is slow or costs more."""
    async with climbing(tmp_path, redis_url, agent, LATER, ModelBehaviour(latency_seconds=0.01)) as climb:
        await climb.until(lambda view: view.step == 2)
        line = Line(climb.running.url)

        async def score_one() -> None:
            answer = await climb.people.call(agent)
            score = 0.2 if answer.version == "v2" else 1
            body = json.dumps({"call_id": answer.headers["x-request-id"], "score": score}).encode()
            assert (await line.ask("POST", "/v1/feedback", body)).status == 200

        async with going_on(score_one):
            rollback = await rolled_back_later(climb)
        line.close()
        assert only_proof(rollback, "low_quality"), rollback
