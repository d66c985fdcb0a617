"""`GET /status/events`: what has changed, once, for readers that come, hang, come back or may no longer read."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.api.endpoint import MOST_STATUS_READERS_OF_A_KEY
from gateway.api.status_events import MOST_OF_A_KEY, MOST_READERS, SharedPages, StatusEvents
from gateway.pages.frame import LivePage
from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.gateway.api.keys import ADMIN, BEARER, KEY, digest_of
from tests.support.crowd import ask, crowd
from tests.support.page_states import STATES
from tests.support.running import Running, provider, running, trial, write


class Reader:
    """One reader of a stream: its status, and its events as they come."""

    def __init__(self, reader: asyncio.StreamReader, status: int) -> None:
        self._reader = reader
        self.status = status

    async def block(self, seconds: float = 5) -> dict[str, str]:
        """The next block of the stream, by its fields; EOFError at its end."""
        async with asyncio.timeout(seconds):
            size = int(await self._reader.readline(), 16)
            text = (await self._reader.readexactly(size + 2)).decode()
        if not size:
            raise EOFError
        lines = (line.partition(":") for line in text.strip().split("\n"))
        return {name: value.strip() for name, _, value in lines}

    async def page(self, seconds: float = 5) -> tuple[str, Any]:
        """The next event's id and data; heartbeats and the like are passed over."""
        while "data" not in (block := await self.block(seconds)):
            pass
        return block["id"], json.loads(block["data"])


@asynccontextmanager
async def reading(served: Running, path: str, *headers: str) -> AsyncIterator[Reader]:
    host, _, port = served.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        lines = [f"GET {path} HTTP/1.1", "host: localhost", "accept: text/event-stream", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        yield Reader(reader, int(head.split()[1]))
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour()) as each:
        yield each


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    async with running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        yield served


async def test_a_reader_without_the_state_gets_the_whole_page(served: Running, agent: str) -> None:
    """After word on when to come back; each fragment under the id that it has in the document."""
    async with reading(served, f"/status/events?agent={agent}") as reader:
        assert await reader.block() == {"retry": "2000"}
        _, data = await reader.page()
    assert {"now", "limits", "numbers", "health"} <= data["live"].keys() and data["level"] == "watching"
    assert data["title"].startswith("◌ ") and agent in data["title"]


async def test_only_what_has_changed_is_sent(served: Running, agent: str) -> None:
    """Calls change the numbers, and not what differs between the versions."""
    async with reading(served, f"/status/events?agent={agent}") as reader:
        await reader.page()
        async with crowd(served.url) as people:
            await people.call_often(agent, 20)
        _, data = await reader.page()
    assert "numbers" in data["live"] and not {"difference", "health", "actions"} & data["live"].keys()


@pytest.mark.parametrize("way", ["header", "query"])
async def test_who_comes_back_with_the_state_gets_nothing_twice(served: Running, agent: str, way: str) -> None:
    """The id is the state that is shown: a browser sends it back, the document's script with its first request."""
    async with reading(served, f"/status/events?agent={agent}") as reader:
        state, _ = await reader.page()
    headers = [f"last-event-id: {state}"] if way == "header" else []
    async with reading(served, f"/status/events?agent={agent}&state={state}", *headers) as reader:
        assert await reader.block() == {"retry": "2000"}
        with pytest.raises(TimeoutError):
            await reader.block(1.5)


async def test_a_rows_place_is_sent_with_it(served: Running, agent: str) -> None:
    """The overview's order is a list of ids."""
    async with reading(served, "/status/events") as reader:
        _, data = await reader.page()
    assert data["lists"] == {"agents": [f"agent-{agent}"]} and f"agent-{agent}" in data["live"]


async def test_many_readers_of_one_page_cost_as_much_as_one(served: Running, agent: str) -> None:
    """The store is read once for all of them."""
    async with AsyncExitStack() as stack:
        served.store.calls.clear()
        readers = [await stack.enter_async_context(reading(served, "/status/events")) for _ in range(20)]
        await asyncio.gather(*(reader.page() for reader in readers))
        assert served.store.calls["snapshot"] <= 6


async def test_readers_are_bounded(served: Running) -> None:
    """One more is told to come back; whoever opens a page is not kept out by them."""
    async with AsyncExitStack() as stack:
        for _ in range(MOST_READERS):
            assert (await stack.enter_async_context(reading(served, "/status/events"))).status == 200
        async with reading(served, "/status/events") as one_more:
            assert one_more.status == 503
        assert (await ask(served.url, "GET", "/status")).status == 200


async def test_a_key_keeps_nobody_else_out(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """It has a share of the places: another key and the operator have theirs, and a place is free when it is left."""
    files = trial(agent, standin)
    gateway: Any = files["gateway.yaml"]
    keys = {"greedy": {"sha256": digest_of("greedy")}, "web": {"sha256": digest_of(KEY)}}
    greedy, path = "authorization: Bearer greedy", "/status/events?filter="
    async with running(write(tmp_path, {**files, "gateway.yaml": {**gateway, "keys": keys}}), redis_url) as served:
        async with AsyncExitStack() as stack:
            for number in range(MOST_OF_A_KEY):
                reader = await stack.enter_async_context(reading(served, f"{path}{number}", greedy))
                assert reader.status == 200
            for key, status in ((greedy, 503), (BEARER, 200), (ADMIN, 200)):
                assert (await stack.enter_async_context(reading(served, path, key))).status == status
        async with asyncio.timeout(10):
            status = 0
            while status != 200:
                async with reading(served, path, greedy) as reader:
                    status = reader.status


async def test_a_key_has_a_share_of_the_status(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """Views, pages with any filter, traces and costs: beside the most of one key, others and operators are served."""
    files = trial(agent, standin)
    gateway: Any = files["gateway.yaml"]
    keys = {"greedy": {"sha256": digest_of("greedy")}, "web": {"sha256": digest_of(KEY)}}
    greedy = "authorization: Bearer greedy"
    async with running(write(tmp_path, {**files, "gateway.yaml": {**gateway, "keys": keys}}), redis_url) as served:
        with ExitStack() as stack:
            for _ in range(MOST_STATUS_READERS_OF_A_KEY):
                stack.enter_context(served.gateway.services.status_readers.of("greedy"))
            for path in ("/status?filter=a", f"/status/{agent}", "/calls", "/costs", f"/status/{agent}/history"):
                said = {
                    key: (await ask(served.url, "GET", path, headers=(key,))).status for key in (greedy, BEARER, ADMIN)
                }
                assert said == {greedy: 503, BEARER: 200, ADMIN: 200}
        assert (await ask(served.url, "GET", "/status", headers=(greedy,))).status == 200


async def test_a_reader_that_takes_nothing_holds_nobody_up(served: Running, agent: str) -> None:
    """Others are sent what changes while it hangs."""
    async with reading(served, f"/status/events?agent={agent}"), reading(served, "/status/events") as other:
        await other.page()
        async with crowd(served.url) as people:
            await people.call_often(agent, 20)
        assert (await other.page())[1]["live"]


async def test_silence_has_a_heartbeat(served: Running, agent: str) -> None:
    """A comment, so that a proxy does not take the stream for dead; a browser tells nobody of it."""
    sent, beaten = list[bytes](), asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if sent[-1].startswith(b":"):
            beaten.set()

    async def receive() -> Any:
        raise AssertionError("a GET has no body")

    scope = {
        "type": "http", "method": "GET", "path": "/status/events", "headers": [(b"host", b"localhost")],
        "query_string": f"agent={agent}".encode(), "path_params": {},
    }  # fmt: skip
    events = StatusEvents(served.gateway.services, heartbeat_seconds=0.5)
    following = asyncio.create_task(events(scope, receive, send))
    async with asyncio.timeout(5):
        await beaten.wait()
    served.gateway.services.draining = True
    await following
    assert sent[1] == b"retry: 2000\n\n" and sent[2].startswith(b"id: ") and sent[-1] == b""


async def test_a_stream_ends_when_the_gateway_drains(served: Running) -> None:
    """At once: a stop waits for calls, not for those who watch."""
    async with reading(served, "/status/events") as reader:
        await reader.page()
        served.gateway.services.draining = True
        with pytest.raises(EOFError):
            await reader.page(2)


async def test_an_unknown_agent_has_no_stream(served: Running) -> None:
    """A 404, for which a browser does not come back by itself."""
    async with reading(served, "/status/events?agent=nobody") as reader:
        assert reader.status == 404


async def test_an_agent_may_be_called_events(tmp_path: Path, redis_url: str, standin: Standin) -> None:
    """Its status is at its path for whoever asks for no stream."""
    async with running(write(tmp_path, trial("events", standin)), redis_url) as served:
        assert "events" in json.loads((await ask(served.url, "GET", "/status/events")).body)["agents"]
        async with reading(served, "/status/events?agent=events") as reader:
            assert "now" in (await reader.page())[1]["live"]


async def test_a_key_sees_its_agents_for_as_long_as_it_is_one(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Nobody without a key or the admin token reads; a key that is taken out of the files reads no longer."""
    files = trial(agent, standin)
    gateway: Any = files["gateway.yaml"]
    keyed = {**gateway, "keys": {"web": {"sha256": digest_of(KEY), "agents": [agent]}}}
    async with running(write(tmp_path, {**files, "gateway.yaml": keyed}), redis_url) as served:
        async with reading(served, "/status/events") as stranger:
            assert stranger.status == 401
        async with (
            reading(served, "/status/events", ADMIN) as operator,
            reading(served, "/status/events", BEARER) as key,
        ):
            assert operator.status == key.status == 200
            await key.page()
            other = {**gateway, "keys": {"web": {"sha256": digest_of("another"), "agents": [agent]}}}
            write(served.folder, {"gateway.yaml": other})
            served.reload()
            with pytest.raises(EOFError):
                await key.page(3)


async def test_a_page_that_is_slow_to_make_is_made_rarely() -> None:
    """It takes one twentieth of the time at most, however many ask."""
    now, made = [0.0], list[float]()
    shared = SharedPages(lambda: now[0])

    async def make() -> LivePage:
        made.append(now[0])
        now[0] += 0.5
        return STATES["overview-empty"]()

    while now[0] < 100:
        await shared.page(("overview", 0), make)
        now[0] += 0.25
    assert len(made) <= 10


async def test_many_pages_share_the_time_that_one_may_take() -> None:
    """Whoever opens a page for each filter there is gets each of them more rarely."""
    now, made = [0.0], list[int]()
    shared = SharedPages(lambda: now[0])

    async def make(number: int) -> LivePage:
        made.append(number)
        now[0] += 0.05
        return STATES["overview-empty"]()

    while now[0] < 200:
        for number in range(32):
            await shared.page((number, 0), partial(make, number))
        now[0] += 1
    assert len(made) * 0.05 <= 200 / 10


async def test_a_key_that_wants_many_pages_delays_only_itself() -> None:
    """The operator's page is made as often as without it, and another key's half as often."""
    now, made = [0.0], Counter[str]()
    shared = SharedPages(lambda: now[0])

    async def make(reader: str) -> LivePage:
        made[reader] += 1
        now[0] += 0.05
        return STATES["overview-empty"]()

    while now[0] < 200:
        for number in range(32):
            await shared.page((("greedy", number), 0), partial(make, "greedy"), "greedy")
        await shared.page(("web", 0), partial(make, "web"), "web")
        await shared.page(("operator", 0), partial(make, "operator"))
        now[0] += 0.2
    assert made["operator"] >= 120 and made["web"] >= 60
    assert made["greedy"] * 0.05 <= 200 / 20


async def test_a_key_by_any_name_is_shown_no_prompts(tmp_path: Path, redis_url: str, standin: Standin) -> None:
    """Not even one by the name that stands for everybody, after an operator has looked at the same page."""
    files = trial("support", standin)
    gateway: Any = files["gateway.yaml"]
    keyed = {**gateway, "keys": {"open": {"sha256": digest_of(KEY)}}}
    async with running(write(tmp_path, {**files, "gateway.yaml": keyed}), redis_url) as served:
        for key, is_shown in ((ADMIN, True), (BEARER, False)):
            async with reading(served, "/status/events?agent=support", key) as reader:
                _, data = await reader.page()
            assert ("You are" in data["live"]["difference"]) is is_shown


async def test_a_failure_is_told_to_each_who_waits() -> None:
    """And the next one tries again."""
    shared = SharedPages()

    async def fail() -> LivePage:
        raise ValueError("no page")

    for _ in range(2):
        found = await asyncio.gather(*(shared.page(("x", 0), fail) for _ in range(3)), return_exceptions=True)
        assert [str(each) for each in found] == ["no page"] * 3
