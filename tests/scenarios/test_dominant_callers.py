"""A canary that fails every call is soon gone for whoever calls, also where one caller makes nearly all calls."""

import asyncio
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from policies.rollout.verbs import Command
from tests.support.crowd import Line, Reply, ask
from tests.support.listening import listening
from tests.support.processes import command, serving
from tests.support.receivers import Receiver
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

DEAD = ModelBehaviour(error_rate=1.0, status=500)
REFUSING = ModelBehaviour(error_rate=1.0, status=400, error_message="bad thing")
ADMIN = (f"authorization: Bearer {ADMIN_TOKEN}",)
Steps = Sequence[Mapping[str, str]]
Who = tuple[str, str]  # the caller's key, and the user that it names or ''
ALICE, USER, HEALTH_CHECK = ("alice", ""), ("alice", "user-1"), ("bob", "")


@dataclass(slots=True)
class Clients:
    """Clients that hold a new conversation with each call, at the gateways in turn; who calls is said by its number."""

    agent: str
    urls: Sequence[str]
    stream: bool = False
    failed: Counter[Who] = field(default_factory=Counter)
    versions: Counter[tuple[Who, str]] = field(default_factory=Counter)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def call_often(self, times: int, who: Callable[[int], Who]) -> None:
        """So many calls, two at a time; the counts are of these alone."""
        self.failed.clear()
        self.versions.clear()
        left = iter([next(self.numbers) for _ in range(times)])
        lines = [Line(url) for url in itertools.islice(itertools.cycle(self.urls), 2)]
        try:
            await asyncio.gather(*(self._work(line, left, who) for line in lines))
        finally:
            for line in lines:
                line.close()

    async def _work(self, line: Line, left: Iterator[int], who: Callable[[int], Who]) -> None:
        for number in left:
            reply = await self.call(line, f"c{number}", who(number))
            self.versions[who(number), reply.version] += 1
            self.failed[who(number)] += reply.status != 200
            await asyncio.sleep(0.01)  # clients do not wait for the same processor

    async def call(self, line: Line, conversation: str, who: Who, model: str = "") -> Reply:
        body: dict[str, Any] = {"model": model or self.agent, "messages": [{"role": "user", "content": "hi"}]}
        body |= {"user": who[1]} if who[1] else {}
        body |= {"stream": True} if self.stream else {}
        headers = (f"authorization: Bearer {who[0]}", f"x-conversation-id: {conversation}")
        data = json.dumps(body).encode()
        if not self.stream:
            return await line.ask("POST", "/v1/chat/completions", data, headers)
        return await whole_stream(self.urls[0], data, headers)


async def whole_stream(url: str, data: bytes, headers: Sequence[str]) -> Reply:
    """One streamed answer to its end; its status is 200 if no error came in it."""
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    lines = ("POST /v1/chat/completions HTTP/1.1", "host: x", "connection: close", f"content-length: {len(data)}")
    writer.write("\r\n".join((*lines, *headers, "", "")).encode() + data)
    answer = await reader.read()
    writer.close()
    version = answer.partition(b"x-serinus-version: ")[2][:2].decode()
    return Reply(200 if b"data: [DONE]" in answer else 500, {"x-serinus-version": version}, answer)


def configure(
    folder: Path, agent: str, standin: Standin, callers: Sequence[str], steps: Steps = (), **more: Any
) -> Path:
    """A trial at 10 %, or of these steps, with a key for each caller."""
    keys = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in callers}
    files = trial(agent, standin, "10%")
    if steps:
        files["routing.yaml"] = {"agents": {agent: {"stable": "v1", "canary": "v2", "steps": steps}}}
    settings = files["gateway.yaml"]
    assert isinstance(settings, dict)
    return write(folder / "config", {**files, "gateway.yaml": {**settings, "keys": keys, **more}})


@asynccontextmanager
async def gateways(
    folder: Path, redis_url: str, agent: str, callers: Sequence[str], behaviour: ModelBehaviour, steps: Steps = ()
) -> AsyncIterator[tuple[list[Running], Standin]]:
    """Two gateways, and a canary that behaves so."""
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(bad=behaviour))
        config = configure(folder, agent, standin, callers, steps)
        yield [await stack.enter_async_context(running(config, redis_url)) for _ in range(2)], standin


async def status_of(url: str, agent: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await ask(url, "GET", "/status", headers=ADMIN)).body)["agents"][agent]
    return found


SCENARIOS: dict[str, tuple[tuple[str, ...], Callable[[int], Who]]] = {
    "one key, one user": (("alice",), lambda _: USER),
    "two keys, one calls": (("alice", "bob"), lambda _: ALICE),
    "99 to 1": (("alice", "bob"), lambda n: HEALTH_CHECK if n % 100 == 99 else ALICE),
    "90 to 10": (("alice", "bob"), lambda n: HEALTH_CHECK if n % 10 == 9 else ALICE),
}


@pytest.mark.parametrize(("name", "behaviour"), [*((name, DEAD) for name in SCENARIOS), ("99 to 1", REFUSING)])
async def test_each_client_sees_a_handful_of_failures(
    tmp_path: Path, redis_url: str, agent: str, name: str, behaviour: ModelBehaviour
) -> None:
    """Whoever calls, and however rarely others do: then that client gets stable, at both gateways."""
    callers, who = SCENARIOS[name]
    async with gateways(tmp_path, redis_url, agent, callers, behaviour) as (served, standin):
        people = Clients(agent, [each.url for each in served])
        await people.call_often(250, who)
        assert 3 <= max(people.failed.values()) <= 14
        await people.call_often(100, who)
        assert people.failed[ALICE] + people.failed[USER] == 0
        found = await status_of(served[1].url, agent)
    assert standin.counts("bad").requests <= 30
    assert found["phase"] == "rolled_back" or found["excluded"].startswith("the canary is kept from one ")


async def test_a_user_with_many_sessions_is_one_party(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Each session has a name of its own, Claude Code's; they prove no rollback, and a next one stays on stable."""

    def session(number: int) -> Who:
        return "alice", json.dumps({"device_id": "d", "account_uuid": "a", "session_id": f"s{number}"})

    async with gateways(tmp_path, redis_url, agent, ("alice",), DEAD) as (served, _):
        people = Clients(agent, [each.url for each in served])
        await people.call_often(200, session)
        assert 3 <= people.failed.total() <= 14
        await people.call_often(50, session)
        assert people.failed.total() == 0
        found = await status_of(served[1].url, agent)
    assert found["phase"] == "running" and found["excluded"].startswith("the canary is kept from one user ")


async def test_a_stream_that_breaks_is_seen_as_rarely(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Its first part has come; that the rest did not is the same failure."""
    broken = ModelBehaviour(error_rate=1.0, fault="error_mid_stream")
    async with gateways(tmp_path, redis_url, agent, ("alice", "bob"), broken) as (served, _):
        people = Clients(agent, [each.url for each in served], stream=True)
        await people.call_often(250, lambda _: ALICE)
        assert 3 <= people.failed[ALICE] <= 14
        await people.call_often(50, lambda _: ALICE)
        assert people.failed[ALICE] == 0 and people.versions[ALICE, "v1"] == 50


async def test_a_conversation_leaves_the_canary_for_good(tmp_path: Path, redis_url: str, agent: str) -> None:
    """At both gateways, as after a rollback; whoever gives the canary back, a pause later, gives it to new ones."""
    async with gateways(tmp_path, redis_url, agent, ("alice", "bob"), ModelBehaviour()) as (served, standin):
        people, lines = Clients(agent, [each.url for each in served]), [Line(each.url) for each in served]
        first = {f"kept-{n}": (await people.call(lines[0], f"kept-{n}", ALICE)).version for n in range(60)}
        kept = [name for name, version in first.items() if version == "v2"]
        assert [(await people.call(lines[1], name, ALICE)).version for name in kept] == ["v2"] * len(kept)
        standin.behave("bad", DEAD)
        await people.call_often(250, lambda _: ALICE)
        for line in lines:
            assert [(await people.call(line, name, ALICE)).version for name in kept] == ["v1"] * len(kept)
        standin.behave("bad", ModelBehaviour())
        services = served[0].gateway.services
        state = services.table.seen(agent)
        assert kept and state and state.excluded and state.phase == "running"
        await services.commands.act(agent, state.epoch, Command("pause", "kim", "while we look"))
        await services.commands.act(agent, state.epoch + 1, Command("resume", "kim", "mended"))
        await asyncio.sleep(0.3)
        assert [(await people.call(lines[1], name, ALICE)).version for name in kept] == ["v1"] * len(kept)
        await people.call_often(100, lambda _: ALICE)
        assert people.versions[ALICE, "v2"]
        for line in lines:
            line.close()


async def test_the_rollout_goes_on_without_it_until_the_canary_is_stable(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """One promotion is enough at both gateways; the edit after the completion ends the exclusion, and says so."""
    steps = [{"weight": weight, "hold": "1s"} for weight in ("10%", "50%", "100%")]
    async with gateways(tmp_path, redis_url, agent, ("alice", "bob"), DEAD, steps=steps) as (served, standin):
        people = Clients(agent, [each.url for each in served])
        services = served[0].gateway.services
        await people.call_often(150, lambda _: ALICE)
        standin.behave("bad", ModelBehaviour())
        state = services.table.seen(agent)
        assert state and state.excluded and state.step == 1
        await services.commands.act(agent, state.epoch, Command("promote", "kim", "without alice"))
        while (await status_of(served[1].url, agent))["phase"] == "running":
            await people.call_often(40, lambda n: ALICE if n % 10 == 9 else HEALTH_CHECK)
            assert people.versions[ALICE, "v1"] == 4
        found = await status_of(served[1].url, agent)
        assert found["phase"] == "completed" and found["reason"].endswith(f"whose calls alone show a breach; {EDIT}")
        assert found["excluded"].endswith(EDIT)
        for each in served:
            write(each.folder, {"routing.yaml": {"agents": {agent: {"stable": "v2"}}}})
            each.reload()
        await until(lambda: is_ended(served, agent))
        await people.call_often(40, lambda _: ALICE)
        assert people.versions[ALICE, "v2"] >= 30  # some of the last step's share of stable go on for a moment
        event = json.loads((await ask(served[1].url, "GET", f"/audit/{agent}", headers=ADMIN)).body)["events"][0]
    assert (event["action"], event["actor"], event["excluded"]) == ("end", "configuration", [])


def set_callers(served: Sequence[Running], *callers: str) -> None:
    """Let every gateway read that these have keys."""
    keys = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in callers}
    for each in served:
        settings = json.loads((each.folder / "gateway.yaml").read_text())
        write(each.folder, {"gateway.yaml": {**settings, "keys": keys}})
        each.reload()


async def test_an_excluded_user_stays_so_whichever_key_it_calls_with(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """Once a second key is there callers are the parties; the record still names the user, and so do its calls."""
    async with gateways(tmp_path, redis_url, agent, ("alice",), DEAD) as (served, standin):
        people = Clients(agent, [each.url for each in served])
        await people.call_often(250, lambda _: USER)
        standin.behave("bad", ModelBehaviour())
        set_callers(served, "alice", "bob")
        await people.call_often(90, lambda n: ("alice" if n % 2 else "bob", "user-1"))
        found = await status_of(served[1].url, agent)
    assert found["excluded"].startswith("the canary is kept from one user ")
    assert people.versions[("alice", "user-1"), "v1"] == people.versions[("bob", "user-1"), "v1"] == 45


async def test_an_excluded_caller_stays_so_when_its_key_is_the_only_one(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """From then on its users are the parties; it is excluded with all of them, and with calls that name nobody."""
    async with gateways(tmp_path, redis_url, agent, ("alice", "bob"), DEAD) as (served, standin):
        people = Clients(agent, [each.url for each in served])
        await people.call_often(250, lambda _: ALICE)
        standin.behave("bad", ModelBehaviour())
        set_callers(served, "alice")
        await people.call_often(90, lambda n: USER if n % 2 else ALICE)
        found = await status_of(served[1].url, agent)
    assert found["excluded"].startswith("the canary is kept from one caller ")
    assert people.versions[ALICE, "v1"] == people.versions[USER, "v1"] == 45


EDIT = "the edit that makes v2 stable gives it to them, too"


async def is_ended(served: Sequence[Running], agent: str) -> bool:
    """Whether both statuses say that nobody is excluded any more, and why."""
    found = [await status_of(each.url, agent) for each in served]
    return all(not each["excluded"] and "the exclusion of one caller" in each["reason"] for each in found)


async def test_people_hear_of_it_and_may_give_the_canary_back(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Between two processes: a notice, log, audit, `status` and `explain` say it; pins hold meanwhile."""
    receiver = Receiver()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(receiver.serve))
        notify: dict[str, Any] = {"notify": [{"url": f"http://127.0.0.1:{port}/", "allow_private": True}]}
        standin = await stack.enter_async_context(provider(bad=DEAD))
        config, environ = configure(tmp_path, agent, standin, ("alice", "bob"), **notify), {"SERINUS_STORE": redis_url}
        served = [await stack.enter_async_context(serving(config, environ, name)) for name in ("one", "two")]
        people = Clients(agent, [each.url for each in served])
        await people.call_often(200, lambda _: ALICE)
        assert 3 <= people.failed[ALICE] <= 14
        line = Line(served[0].url)
        assert (await people.call(line, "pinned", ALICE, f"{agent}@v2")).version == "v2"
        line.close()
        words = {
            name: await command(name, *more, SERINUS_URL=served[0].url)
            for name, more in {"status": (), "explain": (agent,), "audit": (agent, "--json")}.items()
        }
        await until(lambda: is_told(receiver))
        standin.behave("bad", ModelBehaviour())
        done = await command("rollout", "resume", agent, "--reason", "mended", SERINUS_URL=served[0].url)
        assert done.code == 0
        await people.call_often(100, lambda _: ALICE)
        assert people.versions[ALICE, "v2"] and not people.failed[ALICE]
        logged = [line for each in served for line in each.log() if line["event"] == "excluded"]
        assert (await status_of(served[1].url, agent))["excluded"] is None
    (errors,) = [line for line in words["status"].out.splitlines() if line.endswith("with one party's calls")]
    assert errors.startswith("  error_rate <= stable") and " suspect: " in errors and "; E 0.4 of 100; " in errors
    assert "the canary is kept from one caller (c" in words["status"].out
    assert "It waits because the canary is kept from one caller" in words["explain"].out
    assert json.loads(words["audit"].out.splitlines()[0])["action"] in ("exclude", "freeze")
    assert [line["callers"] for line in logged] == ["alice"]


async def is_told(receiver: Receiver) -> bool:
    return any(body.get("action") == "exclude" for body in receiver.bodies)
