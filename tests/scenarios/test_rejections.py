"""A model that the provider does not have: the fallback serves its clients, and the canary is taken out, whatever words
the provider has for it. What one caller gets wrong by itself takes nobody out."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.rehearsal.standin import WORDINGS, ModelBehaviour, Standin, Wording
from gateway.rollout.status_view import AgentView
from tests.support.crowd import Line, Reply, crowd
from tests.support.processes import serving
from tests.support.redis_servers import until
from tests.support.running import Running, provider, running, trial, write

SPEAKING = tuple(wording for wording in WORDINGS if wording != "unreadable")
MISTYPED = ModelBehaviour(fault="unknown_model", error_rate=1.0)


def mistyped(wording: Wording) -> ModelBehaviour:
    return MISTYPED.model_copy(update={"unknown_model_like": wording})


async def view(gateway: Running, agent: str) -> AgentView:
    """What the status says once all is flushed."""
    await asyncio.sleep(0.3)
    return (await gateway.gateway.services.status.agents([agent]))[agent]


@pytest.mark.parametrize("wording", SPEAKING)
async def test_a_mistyped_model_is_the_versions_fault_and_its_clients_are_served(
    tmp_path: Path, redis_url: str, agent: str, wording: Wording
) -> None:
    """A refusal that speaks of the model goes on along the chain, and counts as an error at once."""
    async with provider(bad=mistyped(wording)) as standin:
        write(tmp_path, trial(agent, standin, "20%", fallback=["standin/spare"]))
        async with running(tmp_path, redis_url) as gateway, crowd(gateway.url) as people:
            replies = await people.call_often(agent, 80)
            found = await view(gateway, agent)
    assert {reply.status for reply in replies} == {200}
    assert found.phase == "rolled_back" and found.reason.startswith("error_rate <= ")
    assert standin.counts("bad").requests == found.versions["v2"].requests <= 30


async def test_a_stream_of_a_mistyped_model_goes_on_as_well(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The refusal comes before the first event, so the fallback may still answer."""
    async with provider(bad=mistyped("deepseek")) as standin:
        write(tmp_path, trial(agent, standin, "20%", fallback=["standin/spare"]))
        async with running(tmp_path, redis_url) as gateway:
            body = {"model": f"{agent}@v2", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            async with Calls(gateway.url) as calls:
                reply = await calls.stream("/v1/chat/completions", body)
    assert b"cheep" in reply and reply.rstrip().endswith(b"data: [DONE]")


async def test_a_model_that_is_refused_without_a_word_on_it_is_rolled_back(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """Between two processes: nobody reads the answer, the split shows whose doing it is."""
    async with provider(bad=mistyped("unreadable")) as standin:
        folder = write(tmp_path / "config", trial(agent, standin, "25%"))
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
            async with crowd(one.url, two.url) as people:

                async def is_out() -> bool:
                    await people.call_often(agent, 20)
                    views = [(await each.status()).agents[agent] for each in (one, two)]
                    return all(view.phase == "rolled_back" for view in views)

                await until(is_out)
                replies = await people.call_often(agent, 40)
            reason = (await one.status()).agents[agent].reason
    assert {(reply.status, reply.version) for reply in replies} == {(200, "v1")}
    assert reason.startswith("rejection_rate <= stable * 2 is breached: canary 100.00% of")
    assert standin.counts("bad").requests <= 40


class Calls:
    """Calls of named callers in named conversations."""

    def __init__(self, url: str) -> None:
        self._line = Line(url)

    async def __aenter__(self) -> "Calls":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._line.close()

    async def chat(self, agent: str, caller: str, conversation: str) -> Reply:
        body = json.dumps({"model": agent, "messages": [{"role": "user", "content": "hi"}]}).encode()
        headers = (f"authorization: Bearer key-of-{caller}", f"x-conversation-id: {conversation}")
        return await self._line.ask("POST", "/v1/chat/completions", body, headers)

    async def stream(self, path: str, body: dict[str, Any]) -> bytes:
        data = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection(self._line._host, self._line._port)
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        answer = await reader.read()
        writer.close()
        return b"".join(line for line in answer.splitlines(keepends=True) if line.startswith(b"data: "))

    async def chosen(self, agent: str, caller: str, version: str, number: int) -> list[str]:
        """So many of a caller's conversations that this version serves."""
        found: list[str] = []
        for n in range(40 * number):
            if len(found) == number:
                break
            reply = await self.chat(agent, caller, f"{caller}-{version}-{n}")
            if reply.version == version:
                found.append(f"{caller}-{version}-{n}")
        return found


@asynccontextmanager
async def two_callers(folder: Path, redis_url: str, agent: str) -> AsyncIterator[tuple[Running, Standin, Calls]]:
    """A trial at 50 % that `shop` and `evil` call; whatever its canary's model is asked is a file that is not there."""
    missing = ModelBehaviour(
        error_rate=0.0, status=404, error_message="No such File object: file-1", error_code="not_found"
    )
    async with provider(bad=missing) as standin:
        files = trial(agent, standin, "50%")
        keys = {name: {"sha256": hashlib.sha256(f"key-of-{name}".encode()).hexdigest()} for name in ("shop", "evil")}
        gateway_file = files["gateway.yaml"]
        assert isinstance(gateway_file, dict)
        write(folder, {**files, "gateway.yaml": {**gateway_file, "keys": keys}})
        async with running(folder, redis_url) as gateway, Calls(gateway.url) as calls:
            yield gateway, standin, calls


async def test_one_callers_own_mistakes_on_chosen_units_roll_nothing_back(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """It names a missing file in conversations that it knows to be the canary's; the others do not. It takes the canary
    away from itself alone."""
    async with two_callers(tmp_path, redis_url, agent) as (gateway, standin, calls):
        shops = await calls.chosen(agent, "shop", "v1", 30)
        chosen = await calls.chosen(agent, "evil", "v2", 40)
        standin.behave(
            "bad",
            ModelBehaviour(
                error_rate=1.0, status=404, error_message="No such File object: file-1", error_code="not_found"
            ),
        )
        replies = [await slowly(calls, agent, conversation) for conversation in chosen]
        for conversation in shops:
            await calls.chat(agent, "shop", conversation)
        standin.behave("bad", ModelBehaviour())
        served = {(await calls.chat(agent, "shop", f"new-{n}")).version for n in range(20)}
        found = await view(gateway, agent)
    assert (replies[0].status, replies[-1].status, replies[-1].version) == (404, 200, "v1")
    assert found.phase == "running" and 3 <= found.versions["v2"].rejected < 40 and served == {"v1", "v2"}
    assert found.e_value < 10 and str(found.excluded).startswith("the canary is kept from one caller")


async def slowly(calls: "Calls", agent: str, conversation: str) -> Reply:
    """A call of the evil caller, and time for what follows from it."""
    reply = await calls.chat(agent, "evil", conversation)
    await asyncio.sleep(0.03)
    return reply


async def test_one_callers_own_failures_roll_nothing_back(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Its requests make the provider fail, on units that it has chosen. The others are served, and a person is told."""
    async with two_callers(tmp_path, redis_url, agent) as (gateway, standin, calls):
        await calls.chosen(agent, "shop", "v2", 10)
        chosen = await calls.chosen(agent, "evil", "v2", 30)
        standin.behave("bad", ModelBehaviour(error_rate=1.0, status=500))
        for conversation in chosen:
            await slowly(calls, agent, conversation)
        found = await view(gateway, agent)
    assert found.phase == "running" and 3 <= found.versions["v2"].errors < 30 and found.e_value < 10
    assert any(reason.startswith("only one caller or user shows error_rate") for reason in found.waits_for)


async def test_what_no_request_brings_about_is_proof_from_one_caller(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """The canary's model is unknown to its provider: one of two callers shows that at once, whoever else may call."""
    async with two_callers(tmp_path, redis_url, agent) as (gateway, standin, calls):
        chosen = await calls.chosen(agent, "shop", "v2", 20)
        standin.behave(
            "bad",
            ModelBehaviour(
                error_rate=1.0, status=404, error_message="The model `bad` does not exist", error_code="model_not_found"
            ),
        )
        for conversation in chosen:
            await calls.chat(agent, "shop", conversation)
        found = await view(gateway, agent)
    assert found.phase == "rolled_back" and found.reason.startswith("error_rate")


async def test_what_two_callers_see_is_proof(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The same answers, from the conversations of both: either's are proof without the other's."""
    async with two_callers(tmp_path, redis_url, agent) as (gateway, standin, calls):
        chosen = [(name, each) for name in ("shop", "evil") for each in await calls.chosen(agent, name, "v2", 30)]
        standin.behave(
            "bad",
            ModelBehaviour(
                error_rate=1.0, status=404, error_message="No such File object: file-1", error_code="not_found"
            ),
        )
        for caller, conversation in chosen:
            await calls.chat(agent, caller, conversation)
        found = await view(gateway, agent)
    assert found.phase == "rolled_back" and found.reason.startswith("rejection_rate <= stable * 2 is breached")
