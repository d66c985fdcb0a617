"""`GET /keys` and `serinus keys list | usage`: who may call, whose key is in use, and what limits have left."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from gateway import logs
from gateway.limits.leasing import Leases
from gateway.limits.ledger import Limit
from gateway.limits.limit_view import KeysView
from gateway.limits.windows import Window
from gateway.replica.key_use_notes import KeyUseNotes
from gateway.store.limits import Grant
from gateway.views import read_view
from tests.gateway.api.keys import digest_of
from tests.support.calling import Place, eventually
from tests.support.processes import command
from tests.support.running import ADMIN_TOKEN

Serve = Callable[..., Awaitable[Place]]
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


def bearer(name: str, agent: str) -> dict[str, str]:
    """The header with one of the caller's keys; each test has its own, for uses outlive it in the shared store."""
    return {"authorization": f"Bearer {name}-{agent}"}


def mark(name: str, agent: str) -> str:
    return digest_of(f"{name}-{agent}")[:12]


async def keys(here: Place) -> KeysView:
    """What an operator is told."""
    reply = await here.http.get(f"{here.running.url}/keys", headers=ADMIN)
    assert reply.status_code == 200, reply.text
    return read_view(KeysView, reply.json())


def rotated(name: str, **more: Any) -> dict[str, Any]:
    """`gateway.yaml` with one caller whose key is being rotated."""
    return {"keys": {name: {"sha256s": [digest_of(f"new-{name}"), digest_of(f"old-{name}")], **more}}}


async def test_an_operator_sees_which_key_is_still_sent(serve: Serve, agent: str) -> None:
    """Each of a caller's keys has its own time; nobody but the operator is told."""
    here = await serve(gateway=rotated(agent, agents=[agent], expires="2999-12-31"))
    await here.chat(headers=bearer("old", agent))
    (key,) = (await keys(here)).keys
    assert (key.name, key.agents, key.expires, key.is_expired) == (agent, (agent,), "2999-12-31", False)
    assert [each.sha256 for each in key.digests] == [mark("new", agent), mark("old", agent)]
    assert [each.last_used is not None for each in key.digests] == [False, True]
    await here.chat(headers=bearer("new", agent))
    assert all(each.last_used for each in (await keys(here)).keys[0].digests)
    assert (await here.http.get(f"{here.running.url}/keys", headers=bearer("new", agent))).status_code == 401


async def test_uses_are_noted_in_the_background(serve: Serve, agent: str) -> None:
    """So that another replica knows of them, though nobody has asked this one."""
    here = await serve(gateway=rotated(agent))
    await here.chat(headers=bearer("old", agent))
    gateway = here.running.gateway
    assert gateway.services.runtime.doorkeeper.take_uses().keys() == {mark("old", agent)}
    await here.chat(headers=bearer("old", agent))
    await KeyUseNotes(here.running.store, lambda: gateway.services.runtime.doorkeeper, 1.0).note()
    assert mark("old", agent) in await here.running.store.key_uses()


async def test_the_commands_show_keys_and_limits(serve: Serve, agent: str) -> None:
    """As lines and as JSON, from what the gateway says; an unknown name is told with those there are."""
    limits = {"requests": "5/1h", "soft": "20%"}
    group = {"groups": {f"g-{agent}": {"limits": {"requests": "9/day"}}}}
    here = await serve(gateway={**rotated(agent, limits=limits, group=f"g-{agent}"), **group})
    await here.chat(headers=bearer("old", agent))
    around = {"SERINUS_URL": here.running.url, "SERINUS_ADMIN_TOKEN": ADMIN_TOKEN}
    listed = await command("keys", "list", **around)
    assert listed.code == 0 and "not sent yet" in listed.out and "last sent" in listed.out, listed
    shown = await command("keys", "usage", agent, **around)
    assert [line for line in shown.out.splitlines() if not line.startswith(" ")] == [f"key {agent}", f"group g-{agent}"]
    assert "5 requests in 1h" in shown.out and "beyond soft 20 %" in shown.out
    as_json = orjson.loads((await command("keys", "usage", agent, "--json", **around)).out)
    assert [(each["level"], each["used"], each["left"], each["is_soft"]) for each in as_json] == [
        ("key", 1, 4, True), ("group", 1, 8, False),
    ]  # fmt: skip
    unknown = await command("keys", "usage", "nobody", **around)
    assert unknown.code == 1 and f"known: {agent}" in unknown.errors


async def test_the_use_of_every_replica_is_one(serve: Serve, agent: str) -> None:
    """What was spent elsewhere is known to whom is asked, though it serves no call of that key."""
    here = await serve(gateway=rotated(agent, limits={"requests": "5/1h"}))
    limits = here.running.gateway.services.proxy.limits
    (holder,) = limits.named_holders()
    limit = holder.ledgers[0].limit
    question = {
        "ask": 0, "wants": [3], "back": {}, "charge": 0, "number": 1, "again": {},
        "limit": 5, "seconds": 3600, "slice": 60, "lease": 30,
    }  # fmt: skip
    await here.running.store.grant(limit.id, question)

    async def used() -> float:
        return (await keys(here)).limits[0].used

    assert await used() == 3
    await eventually(lambda: not holder.ledgers[0].free)


async def test_the_status_shows_limits_to_whom_they_concern(serve: Serve, agent: str) -> None:
    """An operator sees all, a key its own and its agents', another key nothing of them."""
    other = {"sha256": digest_of(f"other-{agent}"), "limits": {"requests": "7/1h"}, "agents": []}
    settings = rotated(agent, limits={"requests": "5/1h"})
    settings["keys"][f"other-{agent}"] = other
    here = await serve(gateway=settings, routing={"limits": {"tokens": "9000/day"}})
    await here.chat(headers=bearer("old", agent))

    async def shown(path: str, headers: dict[str, str]) -> list[tuple[str, str]]:
        said = (await here.http.get(f"{here.running.url}{path}", headers=headers)).json()
        return sorted((each["level"], each["name"]) for each in said["limits"])

    assert await shown("/status", ADMIN) == [("agent", agent), ("key", agent), ("key", f"other-{agent}")]
    assert await shown("/status", bearer("new", agent)) == [("agent", agent), ("key", agent)]
    assert await shown("/status", bearer("other", agent)) == [("key", f"other-{agent}")]
    assert await shown(f"/status/{agent}", ADMIN) == [("agent", agent)]


async def test_a_look_that_is_given_up_loses_no_charge() -> None:
    """What a call took without a lease is not forgotten, where whoever looked has left before the store replied."""
    window = Window("1h", 3600.0)
    asked, never = asyncio.Event(), asyncio.Event()

    class Slow:
        """A store that does not reply."""

        async def grant(self, limit: object, question: object) -> Grant:
            asked.set()
            await never.wait()
            raise AssertionError

    store: Any = Slow()
    leases = Leases(store, lambda: 1e6, lambda: 1e9, logs.configure())
    ledger = leases.ledger(Limit("key", "app", "usd", window, 100))
    ledger.charge = 7
    look = asyncio.create_task(leases.refresh([ledger]))
    await asked.wait()
    assert ledger.charge == 0
    look.cancel()
    await asyncio.gather(look, return_exceptions=True)
    assert ledger.journal.is_open, "the next question finds out whether the store has heard of it"
