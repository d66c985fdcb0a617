"""A conversation that moves to a provider of another format: what is the first provider's own stays with it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import product
from typing import Any

import pytest
import pytest_asyncio

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rehearsal.standin.answers import SEALED, THOUGHT
from tests.support.crossing import FORMATS, Agent, Crossing, crossing
from tests.support.dialects import DIALECTS, FOUND, spoken_between

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOWN = ModelBehaviour(error_rate=1, fault="status", status=503)
THINKS = ModelBehaviour(reasoning_tokens=5)
SIGNERS: tuple[FormatName, ...] = ("anthropic", "gemini", "gemini-interactions", "openai-responses")
GOOGLES = ("gemini", "gemini-interactions")
SWITCHES = [(first, second) for first, second in product(SIGNERS, FORMATS) if first != second]
# How clients ask for thoughts, and for what signs them.
ASKED: Mapping[FormatName, dict[str, Any]] = {
    "openai": {"reasoning_effort": "low"},
    "openai-responses": {
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    },
    "anthropic": {"thinking": {"type": "adaptive", "display": "summarized"}},
    "gemini": {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
    "gemini-interactions": {"generation_config": {"thinking_summaries": "auto"}},
}
# Whose signatures a client's history can hold.
CARRIES: Mapping[FormatName, tuple[FormatName, ...]] = {
    "openai": SIGNERS,
    "openai-responses": SIGNERS,
    "anthropic": ("anthropic",),
    "gemini": ("gemini",),
    "gemini-interactions": GOOGLES,
}
# Parameters of one provider's own, as a version sets them.
OWN: Mapping[FormatName, dict[str, Any]] = {
    "openai": {"web_search_options": {}},
    "openai-responses": {"truncation": "auto"},
    "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    "gemini": {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
    "gemini-interactions": {"safety_settings": [{"type": "harassment", "threshold": "block_none"}]},
}
PAIRS = [(first, second) for first, second in product(FORMATS, FORMATS) if first != second]


def thinker(client: FormatName, first: FormatName, second: FormatName) -> str:
    names = f"{client}-{first}-{second}".replace("openai-responses", "responses")
    return f"claude-sonnet-5-{names.replace('gemini-interactions', 'steps')}"  # within 64 characters


def agents() -> Iterator[Agent]:
    for client, (first, second) in product(FORMATS, SWITCHES):
        yield Agent(thinker(client, first, second), first, second)
    for first, second in PAIRS:
        yield Agent(f"own-{first}-{second}", first, second, version={"extra": OWN[first]})
    yield Agent("says-what-failed", "openai", "anthropic")
    yield Agent("cannot-say", "anthropic", "openai")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Crossing]:
    """A gateway with all of them."""
    async with crossing(tmp_path_factory.mktemp("switches"), redis_url, agents()) as served:
        yield served


@pytest.mark.parametrize(("first", "second"), SWITCHES)
@pytest.mark.parametrize("client", FORMATS)
async def test_thoughts_stay_behind(here: Crossing, client: FormatName, first: FormatName, second: FormatName) -> None:
    """Signed thoughts and signatures of calls reach no provider of another format; ids of calls and results do."""
    if client == "gemini-interactions" and {first, second} == {*GOOGLES}:
        return  # one format at both
    agent, dialect = thinker(client, first, second), DIALECTS[client]
    asked = {**dialect.ask(agent, "call look_up", False), **ASKED[client]}
    here.behave(agent, THINKS)
    answer = (await here.call(client, agent, asked, False)).json()
    [(number, _, _)] = dialect.whole(answer).calls
    here.behave(agent, DOWN)
    moved = await here.call(client, agent, dialect.after(asked, answer), False)
    assert moved.status_code == 200, moved.text
    assert moved.headers["x-serinus-attempts"] == "2"
    spoken = spoken_between(client, second)
    assert spoken.heard(here.received()).results == [(number, FOUND)]
    told = (
        () if spoken is DIALECTS[client] and client in GOOGLES else (THOUGHT,)
    )  # which takes anybody's thoughts, as they came
    assert not [own for own in (SEALED, "serinus:", *told) if own in here.raw()]


@pytest.mark.parametrize(("client", "first"), [(client, first) for client in FORMATS for first in CARRIES[client]])
async def test_thoughts_come_back(here: Crossing, client: FormatName, first: FormatName) -> None:
    """Where the client's history can hold a signature its provider gets it back, unchanged."""
    second = next(second for other, second in SWITCHES if other == first)
    agent, dialect = thinker(client, first, second), DIALECTS[client]
    asked = {**dialect.ask(agent, "call look_up", False), **ASKED[client]}
    here.behave(agent, THINKS)
    answer = (await here.call(client, agent, asked, False)).json()
    again = await here.call(client, agent, dialect.after(asked, answer), False)
    assert again.status_code == 200, again.text
    assert SEALED in here.raw()


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("client", FORMATS)
async def test_own_parameters(here: Crossing, client: FormatName, first: FormatName, second: FormatName) -> None:
    """What a version sets of its own provider's API goes there, and not to the next target of another format."""
    agent, [(name, value)] = f"own-{first}-{second}", OWN[first].items()
    asked = DIALECTS[client].ask(agent, "hello", False) | ({"max_tokens": 4096} if client == "anthropic" else {})
    here.behave(agent, ModelBehaviour())
    assert (await here.call(client, agent, asked, False)).status_code == 200
    adopted = client == "gemini-interactions" and first in GOOGLES
    said = [*OWN[client].items()] if adopted else [(name, value)]
    assert said[0] in here.received().items()
    here.behave(agent, DOWN)
    answer = await here.call(client, agent, asked, False)
    assert (answer.status_code, answer.headers["x-serinus-attempts"]) == (200, "2"), answer.text
    goes_along = client == "gemini-interactions" and {first, second} == {*GOOGLES}  # to the same API
    assert goes_along or name not in here.received()


@pytest.mark.parametrize("agent", ["says-what-failed", "cannot-say"])
async def test_what_a_spent_chain_tells(here: Crossing, agent: str) -> None:
    """A target that cannot say what was asked is passed over: the client hears why the one that can did not answer."""
    for model in (agent, f"{agent}-backup"):
        here.behave(model, DOWN)
    asked = DIALECTS["openai"].ask(agent, "hello", False) | {"seed": 7}
    answer = await here.call("openai", agent, asked, False)
    assert (answer.status_code, answer.headers["x-serinus-attempts"]) == (503, "2")
    assert "overloaded" in answer.json()["error"]["message"]


async def test_what_cannot_be_said(here: Crossing) -> None:
    """Where no target can say it the client is told which field it is, and nothing is sent anywhere."""
    before = here.standin.counts("own-anthropic-gemini").requests
    asked = DIALECTS["openai"].ask("own-anthropic-gemini", "hello", False) | {"logit_bias": {"50256": -100}}
    answer = await here.call("openai", "own-anthropic-gemini", asked, False)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_by_provider", "logit_bias")
    assert here.standin.counts("own-anthropic-gemini").requests == before
