"""Loops of tools by the makers' SDKs over two gateway processes: their trees, tool times and costs in each format."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.clients import run_at
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, write

pytestmark = pytest.mark.asyncio(loop_scope="module")
FORMATS = ("openai", "openai-responses", "anthropic", "gemini")
MODES = ("whole", "streamed")
NEAR = 0.010  # seconds, beside a bare round trip; a busy machine may hold up one turn, not every one
IN, OUT = 300.0, 900.0  # USD for a million tokens
MODELS = {
    "good": ModelBehaviour(),
    "bad": ModelBehaviour(error_rate=1.0),
    "slow": ModelBehaviour(latency_seconds=0.5),
    "drip": ModelBehaviour(chunk_seconds=0.05, chunks=100),
}


@dataclass(slots=True)
class Ran:
    """What the apps said of their loops, and the trees of an agent's conversations at either gateway."""

    app: Mapping[str, Any]
    agent: str
    at: tuple[Served, Served]

    async def get(self, path: str, number: int = 0) -> Any:
        reply = await self.at[number].ask("GET", path, headers=(f"authorization: Bearer {ADMIN_TOKEN}",))
        return json.loads(reply.body)

    async def trees(self, more: str, conversations: int) -> list[Any]:
        """Return the trees of all conversations of the agent, once all of them are found."""
        path, listed = f"/conversations?agent={self.agent}{more}&limit=100", list[Any]()

        async def all_there() -> bool:
            listed[:] = (await self.get(path))["conversations"]
            return len(listed) >= conversations

        await until(all_there)
        return [await self.get(f"/conversations/{each['id']}", number % 2) for number, each in enumerate(listed)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ran(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Ran]:
    """Two gateways as processes over one store, and one run of the client between them."""
    folder, agent = tmp_path_factory.mktemp("loops"), "tool-loops"
    async with AsyncExitStack() as stack:
        standin = await stack.enter_async_context(provider(**MODELS))
        write(folder / "config", configuration(agent, standin.base_url))
        at = [
            await stack.enter_async_context(serving(folder / "config", {"SERINUS_STORE": redis_url}, name))
            for name in ("one", "other")
        ]
        app = await run_at("with_tool_loops.py", at[0].url, at[1].url, agent)
        yield Ran(app, agent, (at[0], at[1]))


def configuration(agent: str, base_url: str) -> dict[str, object]:
    prices = [{"target": f"standin/{name}", "from": "2020-01-01", "input": IN, "output": OUT} for name in MODELS]
    hedge = {"after": "20ms", "budget": "50%"}
    agents = {
        agent: {"stable": "v1"},
        f"{agent}-bad": {"stable": "v1", "fallback": ["standin/good"]},
        f"{agent}-slow": {"stable": "v1", "fallback": ["standin/good"], "hedge": hedge},
        f"{agent}-drip": {"stable": "v1"},
    }
    models = {agent: "good", **{f"{agent}-{name}": name for name in ("bad", "slow", "drip")}}
    return {
        "gateway.yaml": {
            "providers": {"standin": {"api": "openai", "base_url": base_url}}, "retries": {"per_target": 0},
            "prices": prices, "circuit": {"failures": 100},
        },
        "routing.yaml": {"agents": agents},
        **{f"agents/{name}/v1.yaml": {"model": f"standin/{model}"} for name, model in models.items()},
    }  # fmt: skip


def calls(tree: Any) -> list[Any]:
    return [step["call"] for step in tree["steps"] if step["kind"] == "call"]


def tools(tree: Any) -> list[Any]:
    return [step["tool"] for step in tree["steps"] if step["kind"] == "tool"]


def kind_of(call: Any) -> str:
    return f"{call['format']} {'streamed' if call['stream'] else 'whole'}"


KINDS = [f"{name} {mode}" for name in FORMATS for mode in MODES]
CONVERSATIONS = len(KINDS) + 3 * len(FORMATS)  # two of a trace, and one with a sub-agent inside


@pytest.mark.parametrize("kind", KINDS)
async def test_a_loop_in_each_format(ran: Ran, kind: str) -> None:
    """Parallel tools, one of which fails, and one that never answers: a tree, its times within 10 ms, its cost."""
    found = [
        each for each in await ran.trees("", CONVERSATIONS) if len(calls(each)) == 7 and kind_of(calls(each)[0]) == kind
    ]
    (tree,), app = found, ran.app[kind]
    assert tree["summary"]["calls"] == app["calls"] == 7
    seen = [(each["name"], each["state"]) for each in tools(tree)]
    assert sorted(seen) == sorted([("look_up", "ok"), ("find", "error")] * 3 + [("look_up", "no answer")])
    by_round = zip(tools(tree)[:-1:2], tools(tree)[1::2], app["seconds"], app["trips"], strict=True)
    apart = [max(abs(each["seconds"] - took) for each in pair) - trip for *pair, took, trip in by_round]
    assert min(apart) <= NEAR, (apart, app)
    given, made = app["tokens"]
    assert (tree["summary"]["tokens"]["input"], tree["summary"]["tokens"]["output"]) == (given, made)
    assert tree["summary"]["cost_usd"] == pytest.approx((IN * given + OUT * made) / 1e6, abs=0.005)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_saves_a_call(ran: Ran, kind: str) -> None:
    """A fallback and a hedge are branches of one call, streamed or not, and cost what they cost."""
    for saved, branch, failure in (("bad", "fallback", "status"), ("slow", "hedge", "overtaken")):
        found = await Ran(ran.app, f"{ran.agent}-{saved}", ran.at).trees("", len(KINDS))
        ((call,),) = [calls(each) for each in found if kind_of(calls(each)[0]) == kind]
        first, second = call["attempts"]
        assert [first["failure"], second["kind"], second["answered"]] == [failure, branch, True], (saved, call)
        given, made = ran.app[f"{kind} {saved}"]["tokens"]
        assert call["answer_usd"] == pytest.approx((IN * given + OUT * made) / 1e6, abs=0.005)
        assert (call["cost_usd"] > call["answer_usd"]) is (saved == "slow")


@pytest.mark.parametrize("name", FORMATS)
async def test_a_stream_that_is_left(ran: Ran, name: str) -> None:
    """What was counted so far is its cost, marked as estimated."""
    found = await Ran(ran.app, f"{ran.agent}-drip", ran.at).trees("", len(FORMATS))
    ((call,),) = [calls(each) for each in found if calls(each)[0]["format"] == name]
    assert (call["end"], call["tokens"]["estimated"]) == ("client_gone", True)
    assert call["cost_usd"] > 0 and call["tokens"]["output"] < 100


@pytest.mark.parametrize("number", range(1, 5))
async def test_sub_agents(ran: Ran, number: int) -> None:
    """A sub-agent in the same trace, and one that a header names: trees of their own below the conversation's."""
    found = [each for each in await ran.trees("", CONVERSATIONS) if len(calls(each)) == 1 and each["sub_agents"]]
    traced = [each for each in found if calls(each)[0]["format"] == FORMATS[number - 1]]
    named = [each for each in traced if each["summary"]["name"] == f"session-{number}"]
    assert [calls(each["sub_agents"][0])[0]["sub_agent"] for each in named] == ["explorer"]
    others = [each for each in traced if each not in named]
    assert len(others) == 2 and {each["sub_agents"][0]["summary"]["id"] for each in others} == {
        each["summary"]["id"] for each in others
    }
