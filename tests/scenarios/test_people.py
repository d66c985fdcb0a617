"""What people do to a rollout and what they hear of it: every verb by the command, the audit trail, the webhook."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.status_view import AgentView
from gateway.store import verify
from tests.support.crowd import crowd
from tests.support.listening import listening
from tests.support.processes import Done, Served, command, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, trial, write

STEPS = [
    {"weight": "25%", "hold": "1h", "approval": "required"},
    {"weight": "50%", "hold": "1h"},
    {"weight": "100%", "hold": "1h"},
]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an operator sits: a running gateway, one agent with steps, and the command."""

    served: Served
    agent: str

    async def rollout(self, verb: str, *more: str) -> Done:
        """`serinus rollout`, by Kim, who has a reason."""
        words = ("rollout", verb, self.agent, "--reason", f"to see {verb}", "--actor", "kim", *more)
        return await command(*words, SERINUS_URL=self.served.url)

    async def did(self, verb: str, *more: str) -> str:
        """What it printed; it must end well."""
        done = await self.rollout(verb, *more)
        assert (done.code, done.errors) == (0, ""), done
        return done.out

    async def refused(self, verb: str, *more: str) -> str:
        """Why it was not done; the answer must be no."""
        done = await self.rollout(verb, *more)
        assert (done.code, done.out) == (1, ""), done
        return done.errors

    async def explained(self) -> str:
        done = await command("explain", self.agent, SERINUS_URL=self.served.url)
        assert (done.code, done.errors) == (0, ""), done
        return done.out

    async def view(self) -> AgentView:
        return (await self.served.status()).agents[self.agent]

    async def audit(self) -> list[Any]:
        """What is on record, oldest first, as `serinus audit` prints it."""
        done = await command("audit", self.agent, "--json", SERINUS_URL=self.served.url)
        assert done.code == 0
        return [json.loads(line) for line in reversed(done.out.splitlines())]


@asynccontextmanager
async def desk(folder: Path, redis_url: str, agent: str) -> AsyncIterator[Desk]:
    """A gateway process whose agent is at the first of its steps; nobody calls."""
    entry = {"stable": "v1", "canary": "v2", "steps": STEPS}
    async with AsyncExitStack() as stack:
        files = trial(agent, await stack.enter_async_context(provider()))
        folder = write(folder / "config", files | {"routing.yaml": {"agents": {agent: entry}}})
        here = Desk(await stack.enter_async_context(serving(folder, {"SERINUS_STORE": redis_url})), agent)

        async def begun() -> bool:
            return bool((await here.view()).phase == "running")

        await until(begun)
        yield here


async def test_every_verb_does_what_it_says(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Exit code 0 and where the rollout stands now; what makes no sense there is 1 and the reason."""
    async with desk(tmp_path, redis_url, agent) as here:
        page = f"page: {here.served.url}/status/{agent}\n"
        assert await here.did("pause") == f"{agent}: paused, weight 25 %, epoch 2\n{page}"
        assert "paused" in await here.refused("pause")
        assert "running, weight 25 %, epoch 3" in await here.did("resume")
        assert "epoch 4" in await here.did("pin")
        assert "epoch 5" in await here.did("unpin")
        assert "not pinned" in await here.refused("unpin")
        assert "epoch 6" in await here.did("approve")
        assert "needs no approval" in await here.refused("approve")
        assert "weight 50 %, epoch 7" in await here.did("promote")
        assert "weight 10 %, epoch 8" in await here.did("set-weight", "--weight", "10%")
        assert "'weight' is missing" in await here.refused("set-weight")
        assert "epoch 9" in await here.did("dismiss", "--metric", "latency_p90")
        assert "unknown metric" in await here.refused("dismiss", "--metric", "charm")
        assert "rolled_back, weight 0 %, epoch 10" in await here.did("abort")
        assert "running, weight 25 %, epoch 11" in await here.did("retry")
        assert "completed" in await here.did("promote", "--to-end")
        events = await here.audit()
    assert [event["action"] for event in events][1:] == [
        "pause", "resume", "pin", "unpin", "approve", "promote", "set_weight", "dismiss", "abort", "retry", "complete",
    ]  # fmt: skip
    assert {event["actor"] for event in events[1:]} == {"kim"}
    assert events[1]["reason"] == "to see pause" and events[7]["reason"] == "50% -> 10%: to see set-weight"


async def test_the_trail_is_one_chain(tmp_path: Path, redis_url: str, agent: str) -> None:
    """`serinus audit` prints every event; anybody can verify them, and sees one that was altered or is missing."""
    async with desk(tmp_path, redis_url, agent) as here:
        for verb in ("pause", "resume", "abort"):
            await here.did(verb)
        events = await here.audit()
        verified = await command("audit", agent, "--verify", SERINUS_URL=here.served.url)
    assert (verified.code, verified.out) == (0, f"{agent}: 4 events, one whole chain up to epoch 4\n")
    assert verify(events) == []
    altered = [*events[:1], {**events[1], "actor": "nobody"}, *events[2:]]
    assert [problem for problem in verify(altered) if "altered" in problem]
    assert [problem for problem in verify([*events[:1], *events[2:]]) if "missing" in problem]


async def test_wrong_usage_is_said(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Exit code 2 for what cannot be asked, 1 for what is not there; both in words."""
    async with desk(tmp_path, redis_url, agent) as here:
        url = {"SERINUS_URL": here.served.url}
        silent = await command("rollout", "pause", agent, **url)
        unknown = await command("rollout", "levitate", agent, "--reason", "why not", **url)
        nobody = await command("explain", "nobody", **url)
        stranger = await command("rollout", "pause", agent, "--reason", "x", **url, SERINUS_ADMIN_TOKEN="guessed")
    assert (silent.code, unknown.code, nobody.code, stranger.code) == (2, 2, 1, 1)
    assert "--reason" in silent.errors and "levitate" in unknown.errors
    assert "nobody" in nobody.errors and "admin token" in stranger.errors


async def test_explain_says_where_it_stands(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Plain words: the share, the step, who did what last, and what keeps it from going on."""
    async with desk(tmp_path, redis_url, agent) as here:
        running = await here.explained()
        await here.did("pause")
        paused = await here.explained()
        await here.did("abort")
        aborted = await here.explained()
    assert f"{agent}: v2 is on trial with 25 % of the traffic, over v1, step 1 of 3." in running
    assert "30 more units on the canary are needed" in running and "a person's approval is needed" in running
    assert "is paused at 25 %" in paused and "pause by kim" in paused and "a person paused it" in paused
    assert "was rolled back" in aborted and f"serinus rollout retry {agent}" in aborted


async def test_whoever_was_slower_is_told(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Two people act on the epoch that both saw: one does it, the other gets 412 and the state as it is now."""
    async with desk(tmp_path, redis_url, agent) as here:
        seen = (await here.view()).epoch
        headers = (f"authorization: Bearer {ADMIN_TOKEN}", f"if-match: {seen}")
        commands = {"pause": {"actor": "kim", "reason": "odd answers"}, "abort": {"actor": "lee", "reason": "the same"}}
        replies = await asyncio.gather(
            *(
                here.served.ask("POST", f"/admin/agents/{agent}/{verb}", json.dumps(command).encode(), headers)
                for verb, command in commands.items()
            )
        )
        events = await here.audit()
    assert sorted(reply.status for reply in replies) == [200, 412]
    lost = next(json.loads(reply.body) for reply in replies if reply.status == 412)
    assert lost["state"]["epoch"] == seen + 1 and lost["state"]["last_decision"]["action"] == events[-1]["action"]
    assert str(seen) in lost["error"]["message"] and len(events) == 2


@dataclass(slots=True)
class Ear:
    """A webhook's receiver: every notice with its idempotency key."""

    url: str = ""
    heard: list[tuple[str, Any]] = field(default_factory=list)

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = {name: value for name, _, value in (line.partition(": ") for line in head.splitlines())}
        body = json.loads(await reader.readexactly(int(fields["content-length"])))
        self.heard.append((fields["idempotency-key"], body))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

    async def hears(self) -> bool:
        return bool(self.heard)


@asynccontextmanager
async def receiver() -> AsyncIterator[Ear]:
    ear = Ear()
    async with listening(ear.listen) as port:
        ear.url = f"http://127.0.0.1:{port}/hook"
        yield ear


@asynccontextmanager
async def failing_trial(folder: Path, agent: str, ear: Ear) -> AsyncIterator[Path]:
    """A configuration whose canary fails every call, and of whose rollback the ear wants to hear."""
    notify = [{"url": ear.url, "allow_private": True}]
    async with provider(bad=ModelBehaviour(error_rate=1.0)) as standin:
        files = trial(agent, standin)
        files["gateway.yaml"] = {**cast(Any, files["gateway.yaml"]), "retries": {"per_target": 0}, "notify": notify}
        yield write(folder / "config", files)


async def call_until_decided(served: Served, agent: str) -> None:
    """Call until that gateway has committed the rollback."""
    async with crowd(served.url) as people:

        async def decided() -> bool:
            await people.call_often(agent, 4)
            return any(line["event"] == "decision" and line["action"] == "roll_back" for line in served.log())

        await until(decided)


async def test_a_rollback_is_heard_of_once(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Three replicas, one decision, one notice: the audit event, under the key of its epoch."""
    async with receiver() as ear, failing_trial(tmp_path, agent, ear) as folder:
        environ = {"SERINUS_STORE": redis_url}
        async with (
            serving(folder, environ, "one") as one,
            serving(folder, environ, "two"),
            serving(folder, environ, "three"),
        ):
            await call_until_decided(one, agent)
            await until(ear.hears)
            await asyncio.sleep(2.5)  # everybody has looked for notices twice
            event = json.loads((await command("audit", agent, "--json", SERINUS_URL=one.url)).out.splitlines()[0])
    [(key, notice)] = ear.heard
    assert key == notice["key"] == f"{agent}:{event['epoch_after']}"
    assert {name: notice[name] for name in event} == event and event["action"] == "roll_back"


async def test_the_notice_outlives_who_decided(tmp_path: Path, redis_url: str, agent: str) -> None:
    """kill -9 right after the commit: the replica that comes next tells of it, under the one key that it has."""
    async with receiver() as ear, failing_trial(tmp_path, agent, ear) as folder:
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one:
            await call_until_decided(one, agent)
            one.process.kill()
            await one.process.wait()
        async with serving(folder, environ, "two") as two:
            await until(ear.hears)
            epoch = (await two.status()).agents[agent].epoch
    assert {key for key, _ in ear.heard} == {f"{agent}:{epoch}"}
    assert {notice["action"] for _, notice in ear.heard} == {"roll_back"}
