"""Models that their providers end: a running gateway says so in time, and goes on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.replica.replica import Seams
from gateway.timings import Timings
from tests.gateway.api.keys import digest_of
from tests.support.calling import eventually
from tests.support.listening import listening
from tests.support.receivers import Receiver
from tests.support.running import Running, provider, running, write

SOON = Timings(retirement_look=0.02, first_model_list=0.0, model_lists=0.05, retirement_tell=0.1)


def day(days: int) -> str:
    """The date in so many days."""
    return str(datetime.now(UTC).date() + timedelta(days=days))


def folder(tmp_path: Path, agent: str, base_url: str, **settings: Any) -> Path:
    """One agent on `mine/old`, with `mine/other` behind it."""
    gateway = {"providers": {"mine": {"api": "openai", "base_url": base_url, "api_key": "${KEY}"}}, **settings}
    return write(
        tmp_path,
        {
            "gateway.yaml": gateway,
            "routing.yaml": {"agents": {agent: {"stable": "v1", "fallback": ["mine/other"]}}},
            f"agents/{agent}/v1.yaml": {"model": "mine/old"},
        },
    )


@asynccontextmanager
async def serving(folder: Path, redis_url: str) -> AsyncIterator[Running]:
    async with running(folder, redis_url, {"KEY": "sk-planted"}, Seams(timings=SOON)) as served:
        yield served


async def status_of(served: Running, agent: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient() as http:
        status = (await http.get(f"{served.url}/status")).json()
        found: list[dict[str, Any]] = status["agents"][agent]["retirements"]
        return found


async def test_a_model_that_ends_is_shown_and_logged(
    tmp_path: Path, redis_url: str, agent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On `/status` and the agent's page, and once a day in the log; calls are served as before."""
    retirements = [{"target": "mine/old", "on": day(10)}, {"target": "mine/other", "on": day(-3)}]
    ask = {"model": agent, "messages": [{"role": "user", "content": "hi"}]}
    async with (
        provider() as standin,
        serving(folder(tmp_path, agent, standin.base_url, retirements=retirements), redis_url) as served,
        httpx2.AsyncClient() as http,
    ):
        await asyncio.sleep(0.2)
        shown = await status_of(served, agent)
        page = (await http.get(f"{served.url}/status/{agent}", headers={"accept": "text/html"})).text
        assert (await http.post(f"{served.base_url}/chat/completions", json=ask)).status_code == 200
    assert [(each["target"], each["days"], each["source"]) for each in shown] == [
        ("mine/other", -3, "gateway.yaml"), ("mine/old", 10, "gateway.yaml"),
    ]  # fmt: skip
    assert f"mine/old will be retired on {day(10)}" in page
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"model_reti' in line]
    assert [(line["event"], line["level"], line["target"], line["days"]) for line in lines] == [
        ("model_retired", "error", "mine/other", -3), ("model_retires", "warning", "mine/old", 10),
    ]  # fmt: skip


async def test_plain_models_that_end_are_on_the_status(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Those that `models` spells out or aliases lead to; a limited key sees its own, one agent's view none."""
    names = ("mine/named", "mine/aliased", "mine/unused")
    keys = {"all": {}, "some": {"models": ["mine/aliased"]}, "agents": {"agents": [agent]}}
    settings = {
        "retirements": [{"target": name, "on": day(number + 1)} for number, name in enumerate(names)],
        "models": ["mine/named", "mine/*"],
        "keys": {name: {"sha256": digest_of(name), **more} for name, more in keys.items()},
    }

    async def shown(name: str, path: str = "/status") -> list[str]:
        answer = await http.get(f"{served.url}{path}", headers={"authorization": f"Bearer {name}"})
        return [each["target"] for each in answer.json()["model_retirements"]]

    async with provider() as standin, httpx2.AsyncClient() as http:
        place = folder(tmp_path, agent, standin.base_url, **settings)
        routing = json.loads((place / "routing.yaml").read_text())
        write(place, {"routing.yaml": {**routing, "aliases": {"old-name": "mine/aliased"}}})
        async with serving(place, redis_url) as served:
            assert await shown("all") == ["mine/named", "mine/aliased"]
            assert await shown("some") == ["mine/aliased"]
            assert await shown("agents") == await shown("all", f"/status/{agent}") == []


async def test_a_model_that_has_ended_refuses_no_configuration(tmp_path: Path, redis_url: str, agent: str) -> None:
    """A reload that brings a retired model is applied: the fallback chain serves, and the status says why."""
    async with provider() as standin:
        place = folder(tmp_path, agent, standin.base_url)
        async with serving(place, redis_url) as served:
            assert await status_of(served, agent) == []
            folder(tmp_path, agent, standin.base_url, retirements=[{"target": "mine/old", "on": day(-1)}])
            served.reload()
            assert [each["target"] for each in await status_of(served, agent)] == ["mine/old"]


async def test_the_provider_reports_its_dates(tmp_path: Path, redis_url: str, agent: str) -> None:
    """`GET /models` is asked with the account's key, apart from any call; what it says is shown."""
    heads: list[bytes] = []
    body = json.dumps({"data": [{"id": "old", "shutdown_date": day(20)}, {"id": "other", "shutdown_date": None}]})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())

    async with (
        listening(serve) as port,
        serving(folder(tmp_path, agent, f"http://127.0.0.1:{port}/v1"), redis_url) as served,
    ):
        await eventually(lambda: bool(served.gateway.retirements.near(agent)))
        shown = await status_of(served, agent)
    assert heads[0].startswith(b"GET /v1/models HTTP/1.1\r\n") and b"authorization: Bearer sk-planted" in heads[0]
    assert [(each["target"], each["days"], each["source"]) for each in shown] == [("mine/old", 20, "reported by mine")]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{",
        b"",
    ],
)
async def test_a_provider_without_such_a_list_changes_nothing(
    tmp_path: Path, redis_url: str, agent: str, answer: bytes
) -> None:
    """It is asked again another time, and nobody waits for it."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(answer)

    retirements = [{"target": "mine/old", "on": day(5)}]
    async with listening(serve) as port:
        place = folder(tmp_path, agent, f"http://127.0.0.1:{port}/v1", retirements=retirements)
        async with serving(place, redis_url) as served:
            await eventually(lambda: asked > 1)
            assert [each["days"] for each in await status_of(served, agent)] == [5]


async def test_receivers_hear_of_each_milestone_once(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Two replicas, and one that starts later: one notice each; a receiver that was down hears when it is back."""
    ear, well = Receiver(), Receiver()
    ear.statuses = [500] * 5
    async with listening(ear.serve) as port, listening(well.serve) as other, provider() as standin:
        notify = [{"url": f"http://127.0.0.1:{each}/", "allow_private": True} for each in (port, other)]
        retirements = [{"target": "mine/old", "on": day(10)}]
        place = folder(tmp_path, agent, standin.base_url, retirements=retirements, notify=notify)
        fast = Seams(timings=Timings(retirement_look=0.02, retirement_tell=0.1, notices=0.02, lease=0.5))
        async with running(place, redis_url, {"KEY": "k"}, fast), running(place, redis_url, {"KEY": "k"}, fast):
            await eventually(lambda: len(ear.bodies) > 5)
        async with running(place, redis_url, {"KEY": "k"}, fast):
            await asyncio.sleep(0.5)
    assert len(ear.bodies) == 6 and set(ear.keys) == set(well.keys) and len(well.bodies) == 1
    told = ear.bodies[-1]
    assert (told["action"], told["agent"], told["target"], told["days"]) == ("retirement", agent, "mine/old", 10)
    assert told["reason"] == f"mine/old will be retired on {day(10)}, in 10 days (gateway.yaml)"


async def test_plain_models_are_watched(
    tmp_path: Path, redis_url: str, agent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name in `models`, and one that a star lets through, from its first answered call on; receivers hear of both."""
    ear = Receiver()
    async with listening(ear.serve) as port, provider() as standin, httpx2.AsyncClient() as http:
        more: dict[str, Any] = {
            "models": ["mine/spelled", "mine/st*"],
            "retirements": [{"target": f"mine/{name}", "on": day(10)} for name in ("spelled", "starred", "stale")],
            "notify": [{"url": f"http://127.0.0.1:{port}/", "allow_private": True}],
        }
        fast = Seams(timings=Timings(retirement_look=0.02, retirement_tell=0.1, notices=0.02, lease=0.5))
        place = folder(tmp_path, agent, standin.base_url, **more)
        async with running(place, redis_url, {"KEY": "k"}, fast) as served:
            await eventually(lambda: [each["target"] for each in ear.bodies] == ["mine/spelled"])
            ask = {"model": "mine/starred", "messages": [{"role": "user", "content": "hi"}]}
            assert (await http.post(f"{served.base_url}/chat/completions", json=ask)).status_code == 200
            await eventually(lambda: [each["target"] for each in ear.bodies] == ["mine/spelled", "mine/starred"])
    assert {each["agent"] for each in ear.bodies} == {"plain models"}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"model_retires"' in line]
    assert [(each["agent"], each["target"]) for each in lines] == [
        ("plain models", "mine/spelled"), ("plain models", "mine/starred"),
    ]  # fmt: skip
