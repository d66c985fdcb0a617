"""A chain that cannot serve because of its configuration: an error that names the target, never a person's promise."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.calling import HELLO, PROVIDER_KEY, PROVIDERS, eventually
from tests.support.dialects import DIALECTS
from tests.support.listening import listening
from tests.support.receivers import Receiver
from tests.support.redis_servers import free_port
from tests.support.running import Running, provider, running, write

BASES = {
    "openai": "/v1",
    "openai-responses": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "gemini-interactions": "/v1beta",
}
DOWN = ModelBehaviour(error_rate=1, fault="status", status=503)


@dataclass(frozen=True, slots=True)
class There:
    """A gateway, and a client that calls its one agent."""

    running: Running
    http: httpx2.AsyncClient
    agent: str

    async def ask(self, client: FormatName = "openai", stream: bool = False) -> httpx2.Response:
        dialect = DIALECTS[client]
        url = self.running.url + dialect.path(self.agent, stream)
        return await self.http.post(url, json=dialect.ask(self.agent, "hello", stream))


Start = Callable[..., Awaitable[There]]


@pytest.fixture
async def start(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Start]:
    """Starts a gateway over `providers` by name, whose agent has that `chain`, the first for its version."""
    async with AsyncExitStack() as stack:

        async def made(providers: Mapping[str, object], chain: list[str], **settings: Any) -> There:
            gateway = {
                "providers": providers, "retries": {"per_target": 0}, "escalation": {"desk": True}, **settings,
            }  # fmt: skip
            files = {
                "gateway.yaml": gateway,
                "routing.yaml": {"agents": {agent: {"stable": "v1", "fallback": chain[1:]}}},
                f"agents/{agent}/v1.yaml": {"model": chain[0]},
            }
            environ = {"RIGHT": PROVIDER_KEY, "WRONG": "sk-wrong-planted"}
            served = await stack.enter_async_context(running(write(tmp_path, files), redis_url, environ))
            return There(served, await stack.enter_async_context(httpx2.AsyncClient(timeout=20)), agent)

        yield made


def account(root_url: str, key: str = "RIGHT", api: str = "openai") -> dict[str, object]:
    return {"api": api, "base_url": root_url + BASES[api], "api_key": f"${{{key}}}"}


@asynccontextmanager
async def both(start: Start, first: str, second: str) -> AsyncIterator[tuple[Any, There]]:
    """A chain of two accounts at the stand-in, with the right or the wrong key, and a person behind them."""
    async with provider(PROVIDER_KEY) as standin:
        accounts = {"one": account(standin.root_url, first), "two": account(standin.root_url, second)}
        yield standin, await start(accounts, ["one/good", "two/spare", "human"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("client", DIALECTS)
async def test_a_refused_key_is_no_promise_to_any_client(
    start: Start, capsys: pytest.CaptureFixture[str], client: FormatName, stream: bool
) -> None:
    """502 in the client's format that names the target and what to do; one loud line for any number of calls."""
    async with provider(PROVIDER_KEY) as standin:
        api = client if client in PROVIDERS else "openai"
        there = await start({"mine": account(standin.root_url, "WRONG", api)}, ["mine/good", "human"])
        answers = [await there.ask(client, stream) for _ in range(3)]
    for answer in answers:
        assert answer.status_code == 502 and "x-serinus-escalated" not in answer.headers
        assert "mine/good refuses the gateway's credentials (HTTP 401)" in answer.text
        assert "api_key of the provider mine" in answer.text and "planted" not in answer.text
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "target_misconfigured" in line]
    [line] = [line for line in lines if line["event"] == "target_misconfigured"]
    assert (line["level"], line["target"], line["agent"]) == ("error", "mine/good", there.agent)


async def test_each_refusing_target_is_named(start: Start) -> None:
    """Both keys are wrong: the error names both targets."""
    async with both(start, "WRONG", "WRONG") as (_, there):
        answer = await there.ask()
    assert answer.status_code == 502 and answer.json()["error"]["code"] == "target_misconfigured"
    assert "one/good" in answer.text and "two/spare" in answer.text


async def test_an_ordinary_outage_still_goes_to_a_person(start: Start) -> None:
    """Both targets are down with 503: the client is told that a person takes over."""
    async with both(start, "RIGHT", "RIGHT") as (standin, there):
        for model in ("good", "spare"):
            standin.behave(model, DOWN)
        answer = await there.ask()
    assert (answer.status_code, answer.headers["x-serinus-escalated"]) == (200, "human")


@pytest.mark.parametrize("keys", [("WRONG", "RIGHT"), ("RIGHT", "WRONG")])
async def test_a_chain_with_one_ordinary_outage_goes_to_a_person(
    start: Start, capsys: pytest.CaptureFixture[str], keys: tuple[str, str]
) -> None:
    """A refused key and a 503, in either order: the outage will pass, and the refused key is said all the same."""
    async with both(start, *keys) as (standin, there):
        for model in ("good", "spare"):
            standin.behave(model, DOWN)
        answer = await there.ask()
    assert (answer.status_code, answer.headers["x-serinus-escalated"]) == (200, "human")
    assert "target_misconfigured" in capsys.readouterr().out


async def test_a_refused_key_before_a_good_target_is_said(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """The fallback answers, so nobody would notice otherwise."""
    async with both(start, "WRONG", "RIGHT") as (_, there):
        assert (await there.ask()).headers["x-serinus-target"] == "two/spare"
    assert "target_misconfigured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("base_url", "word"),
    [
        ("http://127.0.0.1:{port}/v1", "connections to it are refused"),
        ("http://no-such-host.invalid/v1", "its host name does not exist"),
    ],
)
@pytest.mark.parametrize("transport", ["lean", "standard"])
async def test_a_target_that_was_never_there_is_no_promise(
    start: Start, base_url: str, word: str, transport: str
) -> None:
    """Its address is not told, its name and the reason are; also once its circuit is open."""
    entry = {"api": "openai", "base_url": base_url.format(port=free_port()), "transport": transport}
    there = await start({"house": entry}, ["house/llama", "human"], circuit={"failures": 2, "open_for": "1m"})
    answers = [await there.ask() for _ in range(4)]
    assert there.running.gateway.services.proxy.attempts.circuits.states() == {"house/llama": "open"}
    for answer in answers:
        assert answer.status_code == 502 and f"house/llama cannot be reached: {word}" in answer.text
        assert "127.0.0.1" not in answer.text and "invalid/" not in answer.text


async def test_a_target_that_speaks_no_tls_is_no_promise(start: Start) -> None:
    """`https://` where plain HTTP is spoken."""
    async with provider() as standin:
        entry = {"api": "openai", "base_url": standin.base_url.replace("http:", "https:")}
        answer = await (await start({"house": entry}, ["house/llama", "human"])).ask()
    assert answer.status_code == 502 and "house/llama cannot be reached: it does not speak TLS" in answer.text


async def test_a_target_that_was_there_and_is_gone_is_an_outage(start: Start) -> None:
    """It has answered under this configuration, so the configuration is not the reason: a person takes over."""
    async with provider() as standin:
        there = await start({"house": account(standin.root_url)}, ["house/llama", "human"])
        assert (await there.ask()).status_code == 200
    answers = [await there.ask() for _ in range(7)]  # the last ones by an open circuit
    assert {answer.headers["x-serinus-escalated"] for answer in answers} == {"human"}


async def test_a_key_that_is_put_right_is_forgotten(start: Start) -> None:
    """The next outage is an ordinary one again."""
    async with both(start, "WRONG", "WRONG") as (standin, there):
        assert (await there.ask()).status_code == 502
        file = there.running.folder / "gateway.yaml"
        file.write_text(file.read_text().replace("WRONG", "RIGHT"))
        there.running.reload()
        assert (await there.ask()).headers["x-serinus-target"] == "one/good"
        for model in ("good", "spare"):
            standin.behave(model, DOWN)
        assert (await there.ask()).headers["x-serinus-escalated"] == "human"


async def test_receivers_hear_of_it_once(start: Start) -> None:
    """`notify` tells of a refused key once, under a key of its own, whatever the number of calls."""
    ear = Receiver()
    async with listening(ear.serve) as port, provider(PROVIDER_KEY) as standin:
        notify = [{"url": f"http://127.0.0.1:{port}/", "allow_private": True}]
        there = await start({"mine": account(standin.root_url, "WRONG")}, ["mine/good", "human"], notify=notify)
        await asyncio.gather(*(there.ask() for _ in range(5)))
        await eventually(lambda: bool(ear.bodies))
        await asyncio.sleep(1.5)
    [told] = ear.bodies
    assert (told["action"], told["agent"], told["target"]) == ("misconfigured", there.agent, "mine/good")
    assert "api_key" in told["reason"] and "planted" not in json.dumps(told)


async def test_embeddings_name_the_target_too(start: Start) -> None:
    """Where nobody would be called anyway."""
    async with both(start, "WRONG", "WRONG") as (_, there):
        url = f"{there.running.url}/v1/embeddings"
        answer = await there.http.post(url, json={"model": there.agent, "input": HELLO[0]["content"]})
    assert answer.status_code == 502 and "one/good refuses" in answer.text


async def test_an_endpoint_that_is_passed_through_names_the_provider(start: Start) -> None:
    """There is no chain and no person; the client still hears whose key it is."""
    async with provider(PROVIDER_KEY) as standin:
        there = await start({"mine": account(standin.root_url, "WRONG")}, ["mine/good"])
        url = f"{there.running.url}/v1/moderations"
        answer = await there.http.post(url, json={"model": there.agent, "input": "x"})
    assert answer.status_code == 502 and "mine refuses the gateway's credentials" in answer.text
