"""Every wire format of clients before every wire format of providers: what is asked arrives, and so does the answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crossing import FORMATS, Agent, Crossing, crossing, events
from tests.support.dialects import DIALECTS, FOUND, PIXEL, SYSTEM, Said, spoken_between

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHEEPS = "cheep " * 8
USAGE = (21, 13)
# Why an answer ended, in each format: nothing more to say, or a function to call.
STOPS: dict[FormatName, tuple[str, str]] = {
    "openai": ("stop", "tool_calls"),
    "openai-responses": ("completed", "completed"),
    "anthropic": ("end_turn", "tool_use"),
    "gemini": ("STOP", "STOP"),
    "gemini-interactions": ("completed", "requires_action"),
}
UNKNOWN: dict[FormatName, str] = {
    "openai": "invalid_request_error model_not_found",
    "openai-responses": "invalid_request_error model_not_found",
    "anthropic": "error not_found_error",
    "gemini": "404 NOT_FOUND",
    "gemini-interactions": "model_not_found",
}
crossed = [
    pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"]),
    pytest.mark.parametrize("provider", FORMATS),
    pytest.mark.parametrize("client", FORMATS),
]


def everywhere(test: Any) -> Any:
    """Each client format before each provider format, whole and streamed."""
    for mark in crossed:
        test = mark(test)
    return test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Crossing]:
    """A gateway with one agent for each format of providers."""
    folder: Path = tmp_path_factory.mktemp("formats")
    async with crossing(folder, redis_url, [Agent(f"to-{provider}", provider) for provider in FORMATS]) as served:
        for provider in FORMATS:
            served.behave(f"to-{provider}", ModelBehaviour(prompt_tokens=USAGE[0], output_tokens=USAGE[1]))
        yield served


async def said(here: Crossing, client: FormatName, agent: str, asked: dict[str, Any], stream: bool) -> Said:
    answer = await here.call(client, agent, asked, stream)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    dialect = DIALECTS[client]
    return dialect.streamed(events(answer.content)) if stream else dialect.whole(answer.json())


@everywhere
async def test_answer(here: Crossing, client: FormatName, provider: FormatName, stream: bool) -> None:
    """Text, why it ended and what it used come as the client's format has them, whoever answers."""
    asked = DIALECTS[client].ask(f"to-{provider}", "hello", stream)
    assert await said(here, client, f"to-{provider}", asked, stream) == Said(CHEEPS, [], STOPS[client][0], USAGE)


@everywhere
async def test_what_arrives(here: Crossing, client: FormatName, provider: FormatName, stream: bool) -> None:
    """The system prompt, the question, the image and the functions reach the provider in its own words."""
    asked = DIALECTS[client].ask(f"to-{provider}", "hello", stream)
    await here.call(client, f"to-{provider}", asked, stream)
    heard = spoken_between(client, provider).heard(here.received())
    assert heard == (SYSTEM, "hello", ("image/png", PIXEL), ["look_up"], [])


@everywhere
async def test_call_and_result(here: Crossing, client: FormatName, provider: FormatName, stream: bool) -> None:
    """A function is called with its arguments; in the next turn its result arrives under the id of that call."""
    agent, dialect = f"to-{provider}", DIALECTS[client]
    asked = dialect.ask(agent, "call look_up", stream)
    found = await said(here, client, agent, asked, stream)
    [(_, name, arguments)] = found.calls
    assert (name, arguments, found.stop) == ("look_up", {"id": ""}, STOPS[client][1])
    first = dialect.ask(agent, "call look_up", False)
    answer = (await here.call(client, agent, first, False)).json()
    [(number, _, _)] = dialect.whole(answer).calls
    assert (await said(here, client, agent, dialect.after(asked, answer), stream)).text == CHEEPS
    assert spoken_between(client, provider).heard(here.received()).results == [(number, FOUND)]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("client", FORMATS)
async def test_unknown_model(here: Crossing, client: FormatName, stream: bool) -> None:
    """An agent that does not exist is told in the client's own format, with the status it has there."""
    answer = await here.call(client, "nobody", DIALECTS[client].ask("nobody", "hello", stream), stream)
    assert (answer.status_code, DIALECTS[client].told(answer.json())) == (404, UNKNOWN[client])


@everywhere
async def test_error(here: Crossing, client: FormatName, provider: FormatName, stream: bool) -> None:
    """A provider that does not know its model says so in its format; the client hears of it in its own."""
    agent = f"to-{provider}"
    here.behave(
        agent, ModelBehaviour(fault_script=("status",), status=404, prompt_tokens=USAGE[0], output_tokens=USAGE[1])
    )
    answer = await here.call(client, agent, DIALECTS[client].ask(agent, "hello", stream), stream)
    assert answer.status_code == 404
    assert "does not exist" in answer.text and DIALECTS[client].told(answer.json())
