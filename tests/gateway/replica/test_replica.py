"""One replica as a whole: what it does in the background survives bugs, and a new configuration its calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from time import time

import pytest

from gateway.config import ConfigProblems, load
from gateway.net.client import Transport
from gateway.net.client.lean import LeanTransport
from gateway.net.client.options import TransportOptions
from gateway.pricing.pricelist import PricedModel, PriceList
from gateway.pricing.rates import PriceSchedule
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.replica.replica import Seams
from gateway.timings import Timings
from tests.support.crowd import ask, crowd
from tests.support.receivers import ear
from tests.support.running import Running, running, trial, write
from tests.support.trials import command
from tests.support.waiting import SOON, within


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    standin = Standin()
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    async with running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        yield served


async def test_a_bug_in_the_background_is_logged_and_the_work_goes_on(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """With its trace, and not more often than once a while."""
    attempts = [0]

    async def work() -> None:
        attempts[0] += 1
        raise ZeroDivisionError("a bug of ours")

    quick = Seams(timings=Timings(restart=0.01))
    async with running(write(tmp_path, trial(agent, standin)), redis_url, seams=quick) as served:
        served.gateway.keep(work)
        await within(SOON, lambda: attempts[0] > 2)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (first, *_) = [line for line in lines if line["event"] == "bug"]
    assert "a bug of ours" in first["exception"] and "work" in first["work"]


async def test_calls_keep_the_connections_they_began_with(served: Running, agent: str, standin: Standin) -> None:
    """The way to the provider changes while a call is answered: it ends well, and later ones take the new way."""
    standin.behave("good", ModelBehaviour(latency_seconds=0.3))
    standin.behave("bad", ModelBehaviour(latency_seconds=0.3))
    old = served.gateway.upstreams
    async with crowd(served.url) as people:
        calling = asyncio.create_task(people.call(agent))
        await asyncio.sleep(0.1)
        configure(served, agent, standin, connect="3s")
        assert served.gateway.upstreams is not old
        assert (await calling).status == 200
        assert (await people.call(agent)).status == 200


def configure(served: Running, agent: str, standin: Standin, **timeouts: str) -> None:
    provider = {"api": "openai", "base_url": standin.base_url}
    write(served.folder, {"gateway.yaml": {"providers": {"standin": provider}, "timeouts": timeouts}})
    served.reload()


async def test_old_connections_are_closed_in_the_end(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Once the longest call that could use them must be over."""
    made, closed = list[Transport](), list[Transport]()

    class Watched(LeanTransport):
        def __init__(self, options: TransportOptions) -> None:
            super().__init__(options)
            made.append(self)

        async def aclose(self) -> None:
            closed.append(self)
            await super().aclose()

    files = write(tmp_path, trial(agent, standin))
    async with running(files, redis_url, seams=Seams(transport=Watched)) as served:
        configure(served, agent, standin, total="1s", answer="1s", first_token="1s", between_chunks="1s")
        configure(served, agent, standin, connect="3s")
        (old, new), before = made, list(closed)
        assert old not in before
        await within(SOON, lambda: old in closed)
        assert new not in closed


async def test_a_receiver_that_is_taken_out_is_let_go(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin
) -> None:
    """Its connections close once no delivery can use them any more; other edits keep them, and the stop closes all."""
    files, quick = trial(agent, standin), Seams(timings=Timings(delivery=0.2))
    async with ear() as (old, notify), ear() as (new, instead):
        before = {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}, "notify": [notify]}
        async with running(write(tmp_path, {**files, "gateway.yaml": before}), redis_url, seams=quick) as served:
            await within(SOON, lambda: old.open == 1)
            write(tmp_path, {"gateway.yaml": {**before, "timeouts": {"connect": "3s"}}})
            served.reload()
            await served.gateway.services.commands.act(agent, 1, command("pause"))
            await asyncio.sleep(0.5)
            assert (old.made, old.open) == (1, 1)
            write(tmp_path, {"gateway.yaml": {**before, "notify": [instead]}})
            served.reload()
            await served.gateway.services.commands.act(agent, 2, command("resume"))
            await within(SOON, lambda: (old.open, new.open) == (0, 1))
        await within(SOON, lambda: new.open == 0)
    assert (old.made, new.made) == (1, 1)


async def test_an_unchanged_way_is_kept(served: Running) -> None:
    """Other edits do not cost the connections that stand."""
    old = served.gateway.upstreams
    served.reload()
    assert served.gateway.upstreams is old


async def test_an_open_port_keeps_its_keys(served: Running) -> None:
    """A process that other machines reach refuses a configuration without keys, although that listens on loopback."""
    deployment = served.gateway.deployment
    await served.gateway.prepare(deployment)
    served.gateway.host = "0.0.0.0"  # noqa: S104 - as if it had been started there, with keys
    with pytest.raises(ConfigProblems, match="listens on 0"):
        await served.gateway.prepare(deployment)


@pytest.mark.parametrize("can_start", [True, False])
async def test_prices_are_there_before_a_call_wants_them(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, can_start: bool,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Those of every target, fallbacks too, from a process of its own; where none can be had, that is logged."""
    fallback = ["anthropic/claude-sonnet-4-5"]
    files = trial(agent, standin) | {"routing.yaml": {"agents": {agent: {"stable": "v1", "fallback": fallback}}}}
    more = {"anthropic": {"api": "anthropic", "base_url": "https://api.anthropic.com/v1"}}
    files["gateway.yaml"] = {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}, **more}}
    read_here = list[str]()

    def listed(entry: PricedModel) -> PriceSchedule:
        read_here.append(entry.model)
        return PriceSchedule(())

    seams = Seams(pricelist=lambda: PriceList(listed))
    async with running(write(tmp_path, files), redis_url, seams=seams) as served:
        with monkeypatch.context() as context:
            if not can_start:
                context.setattr("sys.executable", "/nowhere")
            await served.gateway.learn_prices(served.gateway.deployment)
        rates = served.gateway.services.runtime.prices.rates("anthropic/claude-sonnet-4-5", time())
        served.gateway.services.runtime.prices.rates("standin/good", time())
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    warned = [line["message"] for line in lines if line["event"] == "price_list"]
    if can_start:
        assert rates and not read_here and not warned
    else:
        assert read_here == ["claude-sonnet-4-5", "good"] and "/nowhere" in warned[0]


async def test_a_refused_configuration_is_logged_problem_by_problem(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each with its file and line."""
    async with running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        (tmp_path / "routing.yaml").write_text("agents:\n  a: {stable: v1}\n  b: {stable: v1}\n")
        with pytest.raises(ConfigProblems) as caught:
            load(served.folder, served.environ)
        served.gateway.refuse(caught.value)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["event"] == "configuration_refused"]
    assert len(line["problems"]) >= 2 and all("routing.yaml:" in problem for problem in line["problems"])


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
async def test_nothing_else_is_there(served: Running, method: str) -> None:
    """404 with OpenAI's error body, whatever the method."""
    reply = await ask(served.url, method, "/nothing/../here")
    assert reply.status == 404 and json.loads(reply.body)["error"]["code"] == "unknown_url"


async def test_a_draining_replica_is_not_ready(served: Running) -> None:
    """But alive."""
    served.gateway.drain()
    ready = await ask(served.url, "GET", "/readyz")
    assert ready.status == 503 and json.loads(ready.body) == {"status": "draining", "store": "ok"}
    assert (await ask(served.url, "GET", "/healthz")).status == 200
