"""Two releases over one store: contents that an older or a newer one wrote, in the middle of a rollout."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from gateway.store.schema import SCHEMA
from tests.support.crowd import Reply, ask, crowd
from tests.support.recorded_stores import (
    AGENTS,
    LATEST,
    RELEASES,
    Row,
    configuration,
    from_a_newer_release,
    recorded,
    restore,
)
from tests.support.redis_servers import tcp_server, until
from tests.support.running import ADMIN_TOKEN, Running, provider, running, write

TOKEN = (f"authorization: Bearer {ADMIN_TOKEN}",)
CALLS = 40


@asynccontextmanager
async def over(folder: Path, rows: Sequence[Row]) -> AsyncIterator[tuple[Running, Any]]:
    """A gateway of today over these contents, and a client of their server."""
    (folder / "redis").mkdir()
    async with tcp_server(folder / "redis") as port, provider() as standin:
        url = f"redis://127.0.0.1:{port}"
        await restore(url, rows)
        client: Any = Redis.from_url(url, decode_responses=True)
        async with running(write(folder / "config", configuration(standin)), url) as gateway:
            yield gateway, client
        await client.aclose()


async def get(gateway: Running, path: str) -> Any:
    """What the gateway answers there, for whoever has the admin token."""
    reply = await ask(gateway.url, "GET", path, headers=TOKEN)
    assert reply.status == 200, (path, reply)
    return json.loads(reply.body)


async def agents(gateway: Running) -> dict[str, Any]:
    """Each agent's status, once all that was counted is there."""
    await gateway.gateway.services.controller.finish()
    return cast(dict[str, Any], (await get(gateway, "/status"))["agents"])


def requests(view: dict[str, Any]) -> int:
    return sum(version["requests"] for version in view["versions"].values())


async def set_weight(gateway: Running, epoch: int) -> Reply:
    body = json.dumps({"actor": "kim", "reason": "upgraded", "weight": "30%"}).encode()
    return await ask(gateway.url, "POST", "/admin/agents/shop/set-weight", body, (*TOKEN, f'if-match: "{epoch}"'))


def newer_by(rows: Sequence[Row], needs: int) -> list[Row]:
    """The same, but the trial's record says that it needs a release of that schema."""
    newer = from_a_newer_release(rows)
    for row in newer:
        if row.key == "serinus:{shop}:state":
            row.value |= {"schema": str(SCHEMA + 1), "needs": str(needs)}
    return newer


def stored_by(release: str, novel: bool) -> list[Row]:
    return newer_by(recorded(release), SCHEMA) if novel else recorded(release)


@pytest.mark.parametrize(("release", "novel"), [*((release, False) for release in RELEASES), (LATEST, True)])
async def test_a_trial_goes_on_over_what_another_release_wrote(tmp_path: Path, release: str, novel: bool) -> None:
    """Epoch, share and counts stay, what was rolled back stays so, calls are added, and a command works."""
    async with over(tmp_path, stored_by(release, novel)) as (gateway, _):
        before = await agents(gateway)
        shop, bank = before["shop"], before["bank"]
        assert (shop["phase"], shop["epoch"], shop["weight"]) == ("running", 2, 0.2)
        assert (bank["phase"], bank["weight"]) == ("rolled_back", 0.0)
        assert requests(shop) > 0 and shop["versions"]["v2"]["errors"] == 2
        async with crowd(gateway.url) as people:
            assert {reply.status for reply in await people.call_often("shop", CALLS)} == {200}
        after = (await agents(gateway))["shop"]
        assert requests(after) == requests(shop) + CALLS and after["epoch"] == 2
        assert (await set_weight(gateway, 2)).status == 200
        assert (await agents(gateway))["shop"]["weight"] == 0.3


@pytest.mark.parametrize(("release", "novel"), [*((release, False) for release in RELEASES), (LATEST, True)])
async def test_everything_that_another_release_wrote_can_be_read(tmp_path: Path, release: str, novel: bool) -> None:
    """The audit's chain is whole; handovers, history, costs and reviews are shown."""
    async with over(tmp_path, stored_by(release, novel)) as (gateway, _):
        (handed,) = (await get(gateway, "/v1/escalations"))["escalations"]
        assert handed["agent"] == "desk"
        for agent in AGENTS:
            events = (await get(gateway, f"/audit/{agent}?all=true"))["events"]
            assert events and all(event["agent"] == agent for event in events)
            await get(gateway, f"/status/{agent}/history?since=24h")
        await get(gateway, "/costs")
        await get(gateway, "/review")


@pytest.mark.parametrize("novel", [False, True])
async def test_calls_and_replies_of_another_release_can_be_read(tmp_path: Path, novel: bool) -> None:
    """Their records, texts, verdicts, and what people answered and wait for."""
    async with over(tmp_path, stored_by(LATEST, novel)) as (gateway, _):
        calls = (await get(gateway, "/calls?agent=shop&since=365d"))["calls"]
        assert len(calls) > 10
        assert "answer" in json.dumps(await get(gateway, f"/calls/{calls[-1]['id']}?content=true"))
        (handed,) = (await get(gateway, "/v1/escalations"))["escalations"]
        found = await get(gateway, f"/v1/escalations/{handed['call_id']}")
        assert "a person's reply" in json.dumps(found)


async def test_a_record_that_needs_a_newer_release_means_stable_only(tmp_path: Path) -> None:
    """A start over it serves stable alone, says why, decides nothing, and refuses commands; counts still go in."""
    async with over(tmp_path, newer_by(recorded(LATEST), SCHEMA + 1)) as (gateway, client):
        async with crowd(gateway.url) as people:
            assert {reply.version for reply in await people.call_often("shop", CALLS)} == {"v1"}
        said = (await get(gateway, "/status"))["gateway"]["store"]
        assert said["ok"] is False and "written by a newer release" in said["error"]
        assert (await set_weight(gateway, 2)).status == 503
        assert await client.hget("serinus:{shop}:state", "epoch") == "2"
        assert await client.xlen("serinus:{shop}:audit") == 2
        await gateway.gateway.services.controller.finish()
        assert gateway.gateway.services.controller.latest("shop") is None


async def test_a_replica_leaves_a_canary_that_a_newer_release_decides_on(tmp_path: Path) -> None:
    """Its record turns to one that this release may misread: stable serves from the next poll on, also with the share
    that was known. Another agent's trial goes on."""
    async with over(tmp_path, recorded(LATEST)) as (gateway, client), crowd(gateway.url) as people:
        assert "v2" in {reply.version for reply in await people.call_often("shop", CALLS)}
        await client.hset("serinus:{shop}:state", mapping={"epoch": "3", "schema": "9", "needs": "9"})

        async def serves_stable() -> bool:
            return {reply.version for reply in await people.call_often("shop", CALLS)} == {"v1"}

        await until(serves_stable)
        assert not gateway.gateway.services.controller.store_ok
