"""The configuration changes under load: no call fails, what is broken is said, what is good takes effect."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import AgentView
from tests.support.crowd import Crowd, crowd
from tests.support.processes import Served, command, serving
from tests.support.redis_servers import until
from tests.support.running import provider, running, trial, write

BROKEN = "agents:\n  support:\n    stable: v1\n    canary: v9\n"


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway process that watches its files, its agent, the provider and the clients."""

    served: Served
    folder: Path
    agent: str
    standin: Standin
    people: Crowd

    def route(self, **entry: Any) -> None:
        """Rewrite routing.yaml with this entry for the agent; without one, take the agent out."""
        agents = {"other": {"stable": "v1"}, **({self.agent: {"stable": "v1", **entry}} if entry else {})}
        write(self.folder, {"routing.yaml": {"agents": agents}})

    async def found(self) -> AgentView | None:
        """The agent's status; None while it is not configured."""
        return (await self.served.status()).agents.get(self.agent)

    async def view(self) -> AgentView:
        """The agent's status. Raises KeyError while it is not configured."""
        return (await self.served.status()).agents[self.agent]

    async def until_view(self, **wanted: object) -> None:
        """Keep calling until the agent's status says this. Every call must be answered."""

        async def is_so() -> bool:
            view = await self.found()
            if view:
                await self.people.call_often(self.agent, 8)
            return all(getattr(view, name, None) == value for name, value in wanted.items())

        await until(is_so)

    async def versions(self, calls: int = 60) -> set[str]:
        """Who serves now."""
        return {reply.version for reply in await self.people.call_often(self.agent, calls)}


@asynccontextmanager
async def stage(folder: Path, redis_url: str, agent: str, **behaviours: ModelBehaviour) -> AsyncIterator[Stage]:
    async with provider(**behaviours) as standin:
        files = trial(agent, standin) | {"agents/other/v1.yaml": {"model": "standin/good"}}
        files["gateway.yaml"] = {**cast(Any, files["gateway.yaml"]), "retries": {"per_target": 0}}
        files |= {f"agents/{agent}/v3.yaml": {"model": "standin/good", "system_prompt": "You are v3."}}
        write(folder / "config", files)
        async with serving(folder / "config", {"SERINUS_STORE": redis_url}) as served, crowd(served.url) as people:
            yield Stage(served, folder / "config", agent, standin, people)


async def while_called(here: Stage, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work while calls come in; all of them must succeed."""
    over, statuses = asyncio.Event(), set[int]()

    async def call() -> None:
        while not over.is_set():
            statuses.add((await here.people.call(here.agent)).status)

    calling = [asyncio.create_task(call()) for _ in range(4)]
    try:
        await work()
    finally:
        over.set()
        await asyncio.gather(*calling)
    assert statuses == {200}


async def config_error(here: Stage) -> str | None:
    error: str | None = (await here.served.status()).gateway.config.error
    return error


async def test_a_broken_file_changes_nothing_and_is_named(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The status, the page and the log name file and line; when it is mended, all is well again."""
    async with stage(tmp_path, redis_url, agent) as here:
        await here.until_view(phase="running")
        good = (here.folder / "routing.yaml").read_text()

        async def break_and_mend() -> None:
            (here.folder / "routing.yaml").write_text(BROKEN)
            await until(lambda: says(here, "routing.yaml:4"))
            page = await here.served.ask("GET", "/status", headers=("accept: text/html",))
            assert b"routing.yaml:4" in page.body
            assert await here.versions() == {"v1", "v2"}
            (here.folder / "routing.yaml").write_text(good)
            await until(lambda: says(here, None))

        await while_called(here, break_and_mend)
        assert "configuration_refused" in {line["event"] for line in here.served.log()}
        decision = (await here.view()).last_decision
        assert decision is not None and decision.action in ("start", "freeze")  # by the calls, and not by the file


async def says(here: Stage, text: str | None) -> bool:
    error = await config_error(here)
    return error is None if text is None else text in (error or "")


async def test_good_edits_take_effect(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Another weight, no canary, another canary: each in the record, on the status, and in who serves."""
    async with stage(tmp_path, redis_url, agent) as here:
        await here.until_view(phase="running", weight=0.5, epoch=1)

        async def edit() -> None:
            here.route(canary="v2", weight="100%")
            await here.until_view(phase="running", weight=1.0, epoch=2)
            assert await here.versions() == {"v2"}
            here.route(canary=None)
            await here.until_view(phase=None, weight=0.0, canary=None, epoch=3)
            assert await here.versions() == {"v1"}
            here.route(canary="v3", weight="50%")
            await here.until_view(phase="running", weight=0.5, epoch=4)
            assert await here.versions() == {"v1", "v3"}

        await while_called(here, edit)


async def test_a_changed_canary_is_a_new_rollout(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The prompt of v2 is edited after its rollback: other content, so another trial, with its own books."""
    async with stage(tmp_path, redis_url, agent, bad=ModelBehaviour(error_rate=1.0)) as here:
        await here.until_view(phase="rolled_back", weight=0.0)
        here.standin.behave("bad", ModelBehaviour())
        write(here.folder, {f"agents/{agent}/v2.yaml": {"model": "standin/bad", "system_prompt": "Better."}})
        await here.until_view(phase="running", weight=0.5)
        assert (await here.view()).versions["v2"].errors == 0
        assert await here.versions() == {"v1", "v2"}


async def test_a_rolled_back_canary_stays_out(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Across a touched file, another weight, its removal and return, the agent's too, and a restart of everything."""
    async with stage(tmp_path, redis_url, agent, bad=ModelBehaviour(error_rate=1.0)) as here:
        await here.until_view(phase="rolled_back", weight=0.0)
        here.standin.behave("bad", ModelBehaviour())
        here.route(canary="v2", weight="75%")
        await asyncio.sleep(0.5)
        assert await here.versions() == {"v1"}
        here.route(canary=None)
        await here.until_view(phase=None)
        here.route(canary="v2", weight="50%")
        await here.until_view(phase="rolled_back", weight=0.0)
        here.route()
        await here.until_view(phase=None)
        here.route(canary="v2", weight="50%")
        await here.until_view(phase="rolled_back", weight=0.0)
        assert await here.versions() == {"v1"}
        environ = {"SERINUS_STORE": redis_url}
        async with serving(here.folder, environ, "again") as again, crowd(again.url) as people:
            assert {reply.version for reply in await people.call_often(agent, 60)} == {"v1"}


async def test_retry_brings_it_back(tmp_path: Path, redis_url: str, agent: str) -> None:
    """`serinus rollout retry` with a reason: on trial again with fresh evidence, and the person on record."""
    async with stage(tmp_path, redis_url, agent, bad=ModelBehaviour(error_rate=1.0)) as here:
        await here.until_view(phase="rolled_back", weight=0.0)
        here.standin.behave("bad", ModelBehaviour())
        url = {"SERINUS_URL": here.served.url}
        done = await command(
            "rollout", "retry", agent, "--reason", "the provider was at fault", "--actor", "kim", **url
        )
        assert (done.code, done.errors) == (0, "") and "running" in done.out
        await here.until_view(phase="running", weight=0.5)
        assert await here.versions() == {"v1", "v2"}
        assert (await here.view()).e_value <= 1.0
        event = json.loads((await command("audit", agent, "--json", **url)).out.splitlines()[0])
        assert (event["action"], event["actor"], event["reason"]) == ("retry", "kim", "the provider was at fault")
        again = await command("rollout", "retry", agent, "--reason", "once more", **url)
        assert again.code == 1 and "running" in again.errors


async def test_sighup_reloads_at_once(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Also where no event of the file system comes; a broken file does not end the process."""
    async with stage(tmp_path, redis_url, agent) as here:
        (here.folder / "routing.yaml").write_text(BROKEN)
        here.served.process.send_signal(signal.SIGHUP)
        await until(lambda: says(here, "routing.yaml:4"))
        here.route(canary="v2", weight="10%")
        here.served.process.send_signal(signal.SIGHUP)
        await here.until_view(weight=0.1)


async def test_what_a_reload_cannot_change_is_said(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Where it listens and what it remembers in hold from start to end: the log names what wants a restart."""
    async with stage(tmp_path, redis_url, agent) as here:
        settings = json.loads((here.folder / "gateway.yaml").read_text())
        write(here.folder, {"gateway.yaml": {**settings, "drain": "1s", "limits": {"in_flight": 7}}})
        await until(lambda: logged(here, "restart_needed"))
        (line,) = [line for line in here.served.log() if line["event"] == "restart_needed"]
        assert line["settings"] == ["drain", "limits"]


async def logged(here: Stage, event: str) -> bool:
    return event in {line["event"] for line in here.served.log()}


async def test_a_call_that_is_coming_in_is_served_by_the_new_configuration(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """Its body arrives while the agent moves to a provider that the old configuration does not know."""
    async with provider() as standin, running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        body = json.dumps({"model": agent, "messages": [{"role": "user", "content": "hi"}]}).encode()
        reader, writer = await asyncio.open_connection(*served.url.removeprefix("http://").split(":"))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body[:10])
        await asyncio.sleep(0.05)
        write(tmp_path, moved(trial(agent, standin), agent))
        served.reload()
        writer.write(body[10:])
        assert b"200" in await reader.readline()
        writer.close()
        await writer.wait_closed()


def moved(files: Mapping[str, Any], agent: str) -> dict[str, object]:
    """The same configuration with its provider under another name."""
    provider = files["gateway.yaml"]["providers"]["standin"]
    return {
        "gateway.yaml": {"providers": {"elsewhere": provider}},
        f"agents/{agent}/v1.yaml": {"model": "elsewhere/good"},
        f"agents/{agent}/v2.yaml": {"model": "elsewhere/bad"},
    }
