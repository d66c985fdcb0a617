"""Conversations under way keep the version they began on, over steps and replicas; new ones fall by weight."""

import asyncio
import json
from pathlib import Path
from typing import Any

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.talks import StoredTalk, Talk, looping, stage


async def test_a_trial_moves_no_conversation_under_way(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Of 200 conversations that v1 served none is answered by v2 after its start, a step, completion; new ones are."""
    async with stage(tmp_path, redis_url, agent) as here:
        talks = await here.begin(200, "first")
        await asyncio.sleep(0.3)
        here.route(canary="v2", weight="25%")
        await here.until_everywhere("weight", 0.25)
        await here.go_on(await here.go_on(talks))
        among = await here.begin(60, "second")
        here.route(canary="v2", weight="90%")
        await here.until_everywhere("weight", 0.9)
        await here.go_on(await here.go_on(talks + among))
        assert (await here.command("promote", to="end")).status == 200
        await here.until_everywhere("phase", "completed")
        await here.go_on(talks + among)
        assert {version for talk in talks for version in talk.versions} == {"v1"}
        assert all(len(set(talk.versions)) == 1 for talk in among)
        assert {talk.versions[0] for talk in among} == {"v1", "v2"}
        assert {talk.versions[0] for talk in await here.begin(20, "third")} == {"v2"}


async def test_what_breaks_under_conversations_of_the_step_before_is_rolled_back(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """No new conversation begins: those that the step before gave to the canary show it, at either replica."""
    guarded: dict[str, Any] = {"canary": "v2", "guardrails": ["error_rate <= stable * 1.25"]}
    async with stage(tmp_path, redis_url, agent, weight="25%", **guarded) as here:
        await here.until_everywhere("weight", 0.25)
        talks = await here.begin(100, "first")
        here.route(weight="50%", **guarded)
        await here.until_everywhere("weight", 0.5)
        here.standin.behave("bad", ModelBehaviour(error_rate=1.0))
        for talk in talks:
            await talk.ask(here.lanes[0])
        await here.until_everywhere("phase", "rolled_back")
        decision = (await here.replicas[0].status()).agents[agent].last_decision
        assert decision and "of the conversations under way before the step" in decision.reason


async def test_what_breaks_under_stored_responses_is_rolled_back(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Only later turns fail, each under a unit of its own: they count for the turn that drew their arm, also where that
    was in the step before."""
    guarded: dict[str, Any] = {"canary": "v2", "guardrails": ["error_rate <= stable * 1.25"]}
    async with stage(tmp_path, redis_url, agent, api="openai-responses", weight="20%", **guarded) as here:
        await here.until_everywhere("weight", 0.2)
        talks: list[Talk] = [StoredTalk(agent, f"stored {number}") for number in range(60)]
        await here.go_on(await here.go_on(talks))
        here.standin.behave("bad", ModelBehaviour(error_rate=1.0))
        here.route(weight="30%", **guarded)
        await here.until_everywhere("weight", 0.3)
        for talk in talks:
            await talk.ask(here.lanes[0])
        await here.until_everywhere("phase", "rolled_back")
        decision = (await here.replicas[0].status()).agents[agent].last_decision
        assert decision and "of the conversations under way before the step" in decision.reason


async def test_what_breaks_under_conversations_that_begin_alike_is_rolled_back(
    tmp_path: Path, redis_url: str, agent: str
) -> None:
    """Only later turns fail, of calls that all begin "hi": within some tens of the canary's calls."""
    guarded: dict[str, Any] = {"canary": "v2", "guardrails": ["error_rate <= stable * 1.25"]}
    async with stage(tmp_path, redis_url, agent, weight="20%", **guarded) as here:
        await here.until_everywhere("weight", 0.2)
        await here.go_on([Talk(agent, "hi") for _ in range(40)])  # from now on the opening is shared
        talks = [Talk(agent, "hi") for _ in range(60)]
        for number, talk in enumerate(talks):
            for model in ("good", "bad"):
                here.standin.behave(model, ModelBehaviour(chunk_text=f"It is {number}. "))
            await talk.turn(here.lanes[0])
        here.standin.behave("bad", ModelBehaviour(error_rate=1.0))
        for talk in talks:
            await talk.ask(here.lanes[0])
        await here.until_everywhere("phase", "rolled_back")
        decision = (await here.replicas[0].status()).agents[agent].last_decision
        assert decision and "with later turns" in decision.reason


async def test_loops_keep_their_version_while_a_step_begins(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Loops whose next turn is at another replica 10 ms after an answer hold, also those that begin in that moment."""
    async with stage(tmp_path, redis_url, agent, latency=0.1) as here, looping(here) as loops:
        for weight in (0.3, 0.6):
            await asyncio.sleep(1)
            here.route(canary="v2", weight=f"{weight:.0%}")
            await here.until_everywhere("weight", weight)
    changed = [talk.versions for talk in loops if len(set(talk.versions)) > 1]
    assert not changed and {"v1", "v2"} == {version for talk in loops for version in talk.versions}


async def test_a_hundred_equal_openings_are_split(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The same request a hundred times falls by weight, its conversations keep their versions, and explain says so."""
    async with stage(tmp_path, redis_url, agent, canary="v2", weight="30%") as here:
        talks = [Talk(agent, "hi") for _ in range(100)]
        await here.go_on(talks)
        assert 15 <= sum(talk.versions[0] == "v2" for talk in talks) <= 50
        views = [(await served.status()).agents[agent] for served in here.replicas]
        assert "100% of the calls that begin a conversation have the same beginning" in str(views[0].openings)


async def test_a_template_is_split_over_the_replicas(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Also its first calls at the second replica: the first one tells of it."""
    example = [{"role": "user", "content": "good?"}, {"role": "assistant", "content": "yes"}]
    async with stage(tmp_path, redis_url, agent, canary="v2", weight="30%") as here:
        versions = list[str]()
        for number in range(100):
            messages = [*example, {"role": "user", "content": f"number {number}?"}]
            body = json.dumps({"model": agent, "messages": messages}).encode()
            reply = await here.lanes[0][number % 2].ask("POST", "/v1/chat/completions", body)
            versions.append(reply.version)
        assert 10 <= versions.count("v2") <= 60
        views = [(await served.status()).agents[agent] for served in here.replicas]
        assert any("% of the calls that begin a conversation have the same" in str(view.openings) for view in views)


async def test_conversations_that_begin_alike_keep_their_versions(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Each is known at its next turn by its first answer, at the other replica, too, and while a step begins."""
    async with stage(tmp_path, redis_url, agent, canary="v2", weight="40%") as here:
        await here.go_on([Talk(agent, "hi") for _ in range(40)])  # from now on the opening is shared
        talks = [Talk(agent, "hi") for _ in range(60)]
        for number, talk in enumerate(talks):
            for model in ("good", "bad"):
                here.standin.behave(model, ModelBehaviour(chunk_text=f"It is {number}. "))
            await talk.turn(here.lanes[0])
        await asyncio.sleep(0.5)  # a person reads the answer; the other replica has heard of it
        await here.go_on(talks)
        here.route(canary="v2", weight="80%")
        await here.until_everywhere("weight", 0.8)
        await here.go_on(await here.go_on(talks))
        assert [talk.versions for talk in talks if len(set(talk.versions)) > 1] == []
        assert {talk.versions[0] for talk in talks} == {"v1", "v2"}
