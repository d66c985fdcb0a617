"""A shadow under traffic: clients do not notice it, the trial does not hear of it, and it goes when it is told to."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import AgentView, ShadowQueueView
from tests.support.crowd import crowd
from tests.support.processes import serving
from tests.support.redis_servers import until
from tests.support.running import provider, running, trial, write

SHADOW = {"version": "v9", "sample": "100%", "max_per_minute": 1000}
HANGING = ModelBehaviour(error_rate=1, fault="hang")
FAILING = ModelBehaviour(error_rate=1, fault="status")


@asynccontextmanager
async def configured(folder: Path, agent: str, behaviour: ModelBehaviour) -> AsyncIterator[Standin]:
    """A trial with half of the traffic on each arm, and a shadow that behaves so, in that folder."""
    async with provider(shadow=behaviour) as standin:
        files = trial(agent, standin, shadow=SHADOW) | {f"agents/{agent}/v9.yaml": {"model": "standin/shadow"}}
        write(folder, files)
        yield standin


async def test_clients_do_not_notice_a_hanging_shadow(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Eight copies hang, a hundred wait, the rest is dropped: 300 calls on both arms are answered at once."""
    async with configured(tmp_path, agent, HANGING) as standin, running(tmp_path, redis_url) as gateway:
        async with crowd(gateway.url) as people:
            replies = await people.call_often(agent, 300)
        assert {reply.status for reply in replies} == {200}
        assert {reply.version for reply in replies} == {"v1", "v2"}
        assert not any("shadow" in name for reply in replies for name in reply.headers)
        assert gateway.gateway.shadows.view() == ShadowQueueView(100, {"queue_full": 192})
        assert standin.counts("shadow").requests == 8


async def test_a_failing_shadow_is_no_evidence(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Every copy of stable's and of the canary's calls fails, and the trial goes on with its own calls alone."""
    async with configured(tmp_path, agent, FAILING), running(tmp_path, redis_url) as gateway:
        services, looks = gateway.gateway.services, list[AgentView]()
        async with crowd(gateway.url) as people:
            replies = await people.call_often(agent, 100)

        async def all_booked() -> bool:
            looks.append((await services.status.agents([agent]))[agent])
            versions = looks[-1].versions
            copies = versions["v9"].shadow
            served = sum(versions[name].requests for name in ("v1", "v2"))
            return copies is not None and copies.requests == len(replies) == served

        await until(all_booked)
        sides = (await gateway.gateway.store.store.snapshot(agent)).sides
        seen = looks[-1]
        assert (seen.phase, seen.e_value < 2) == ("running", True)
        copies = seen.versions["v9"].shadow
        assert copies and copies.errors == len(replies)
        assert [seen.versions[name].errors for name in ("v1", "v2", "v9")] == [0, 0, 0]
        judged = [side.calls for side in (sides.stable, sides.canary)]
        assert judged == [sum(reply.version == name for reply in replies) for name in ("v1", "v2")]
        assert judged[1] > 0


async def test_a_reload_takes_the_shadow_out(tmp_path: Path, redis_url: str, agent: str) -> None:
    """From then on nothing more is copied, and what waits is dropped."""
    async with configured(tmp_path, agent, HANGING) as standin, running(tmp_path, redis_url) as gateway:
        async with crowd(gateway.url) as people:
            await people.call_often(agent, 50)
            standin.behave("shadow", ModelBehaviour())
            routing = json.loads((tmp_path / "routing.yaml").read_text())
            del routing["agents"][agent]["shadow"]
            write(tmp_path, {"routing.yaml": routing})
            gateway.reload()
            await people.call_often(agent, 50)
        assert standin.counts("shadow").requests <= 8
        assert gateway.gateway.shadows.view().waiting == 42


async def test_a_stop_leaves_the_copies(tmp_path: Path, redis_url: str, agent: str) -> None:
    """What hangs is cut off and booked, what waits is forgotten: the process ends well, at once, without a bug."""
    async with configured(tmp_path / "config", agent, HANGING) as standin:
        async with serving(tmp_path / "config", {"SERINUS_STORE": redis_url}) as served:
            async with crowd(served.url) as people:
                await people.call_often(agent, 50)
            assert (await served.status()).gateway.shadows == ShadowQueueView(42, {})
            assert await served.end() == 0
            lines = served.log()
        assert "bug" not in {line["event"] for line in lines}
        cut = [line for line in lines if line["event"] == "shadow"]
        assert [(line["version"], line["end"], line["failed"]) for line in cut] == [("v9", "client_gone", False)] * 8
        assert {line["id"] for line in cut} < {line["id"] for line in lines if line["event"] == "call"}
        assert standin.counts("shadow").requests == 8
