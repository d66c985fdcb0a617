"""Behaviours of versions: told in every wire format, whole and streamed; a canary with them goes by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rehearsal.standin.behaviour import SLIPS, Slip
from tests.support.crossing import FORMATS, Agent, Crossing, crossing
from tests.support.crowd import crowd
from tests.support.dialects import DIALECTS, SCHEMA
from tests.support.processes import serving
from tests.support.redis_servers import until
from tests.support.running import provider, running, trial, write

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOWN: dict[Slip, set[str]] = {
    "unknown_tool": {"bad_tools"},
    "wrong_arguments": {"bad_tools"},
    "off_schema": {"off_schema"},
    "truncated": {"truncated"},
    "empty": {"empty"},
}
CLOSED = {**SCHEMA, "additionalProperties": False}
# How each client format asks for JSON of a schema.
JSON_WISHES: dict[FormatName, dict[str, Any]] = {
    "openai": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": CLOSED}}},
    "openai-responses": {"text": {"format": {"type": "json_schema", "name": "x", "schema": CLOSED}}},
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
    "gemini": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": CLOSED}},
    "gemini-interactions": {"response_format": {"type": "text", "mime_type": "application/json", "schema": CLOSED}},
}


def name_of(client: FormatName, provider: FormatName) -> str:
    return f"{client}-at-{provider}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Crossing]:
    """A gateway with an agent for each format of clients at each format of providers."""
    agents = [Agent(name_of(client, provider), provider) for client in FORMATS for provider in FORMATS]
    async with crossing(tmp_path_factory.mktemp("behaviours"), redis_url, agents) as served:
        yield served


@pytest.mark.parametrize("provider", FORMATS)
@pytest.mark.parametrize("client", FORMATS)
async def test_every_slip_is_told_in_every_format(here: Crossing, client: FormatName, provider: FormatName) -> None:
    """Whole and streamed; an answer that is well shows nothing, with tools, with JSON and with neither."""
    name, expected, calls = name_of(client, provider), dict[str, int](), 0
    for slip in (None, *SLIPS):
        here.behave(name, ModelBehaviour(slip=slip, tool_calls=slip == "wrong_arguments", output_tokens=5))
        for wish in ({}, JSON_WISHES[client]) if slip in (None, "off_schema") else ({},):
            for stream in (False, True):
                asked = DIALECTS[client].ask(name, "hello", stream) | wish
                answer = await here.call(client, name, asked, stream)
                assert answer.status_code == 200, answer.text
                calls += 1
        shown = SHOWN[slip] if slip else ()
        expected |= {behaviour: expected.get(behaviour, 0) + 2 for behaviour in shown}
    books = await here.books(name, calls)
    assert books.behaviours == expected and books.requests == calls


@pytest.mark.parametrize(("slip", "behaviour"), [("unknown_tool", "bad_tools"), ("truncated", "truncated")])
async def test_a_canary_with_a_slip_goes_within_a_handful_of_its_calls(
    tmp_path: Path, redis_url: str, agent: str, slip: Slip, behaviour: str
) -> None:
    """Over two replicas, each a process; every call is answered, and the reason says what the answers showed."""
    async with provider(bad=ModelBehaviour(slip=slip)) as standin:
        folder = write(tmp_path / "config", trial(agent, standin, "10%"))
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
            async with crowd(one.url, two.url) as people:

                async def is_out() -> bool:
                    await people.call_often(agent, 8, 4)
                    views = [(await each.status()).agents[agent] for each in (one, two)]
                    return all(view.phase == "rolled_back" for view in views)

                await until(is_out)
                replies = await people.call_often(agent, 40)
            view = (await one.status()).agents[agent]
    assert {(reply.status, reply.version) for reply in replies} == {(200, "v1")}
    assert view.reason.startswith(f"{behaviour} <= stable * 1.5 is breached: canary 100.00% of")
    assert view.versions["v2"].errors == 0 and view.versions["v2"].behaviours[behaviour] >= 3
    assert standin.counts("bad").requests <= 16


async def test_arms_that_behave_alike_stay(tmp_path: Path, redis_url: str, agent: str) -> None:
    """A third of the answers is cut off on either arm, as with clients that ask for few tokens."""
    alike = ModelBehaviour(slip="truncated", slip_rate=0.3)
    async with provider(good=alike, bad=alike.model_copy(update={"seed": 1})) as standin:
        write(tmp_path, trial(agent, standin, "50%"))
        async with running(tmp_path, redis_url) as gateway, crowd(gateway.url) as people:
            await people.call_often(agent, 300)
            await asyncio.sleep(0.3)
            view = (await gateway.gateway.services.status.agents([agent]))[agent]
    assert view.phase == "running" and view.e_value < 10
    assert all(view.versions[each].behaviours["truncated"] > 20 for each in ("v1", "v2"))
