"""`POST /v1/feedback`: a score is booked once, on the version that served, and on its trial's evidence."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.rehearsal.standin import Standin
from gateway.rollout.status_view import AgentView
from policies.evidence.evidence import SCORED
from tests.support.crowd import Reply, ask
from tests.support.running import Running, running, trial, write
from tests.support.trials import command

WEB, OTHER = "authorization: Bearer web", "authorization: Bearer other"


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway with two agents: key `web` may call both, key `other` only the second one."""

    running: Running
    agent: str

    async def call(self, *headers: str, model: str = "", key: str = WEB) -> Reply:
        """A call; its id is the answer's `x-serinus-call-id`."""
        body = {"model": model or self.agent, "messages": [{"role": "user", "content": "hello"}]}
        return await ask(
            self.running.url, "POST", "/v1/chat/completions", json.dumps(body).encode(), (key, *headers)
        )  # fmt: skip

    async def feedback(self, score: Any = 1, key: str = WEB, **more: Any) -> tuple[int, Any]:
        body = json.dumps({"score": score, **more}).encode()
        reply = await ask(self.running.url, "POST", "/v1/feedback", body, (key,))
        answer = json.loads(reply.body)
        return reply.status, answer.get("error", answer)

    async def view(self) -> AgentView:
        """The agent's status once everything that was counted is in the store."""
        await self.running.gateway.services.controller.finish()
        return (await self.running.gateway.services.status.agents([self.agent]))[self.agent]


@pytest_asyncio.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Served]:
    standin = Standin()
    await standin.start()
    files = trial(agent, standin) | {f"agents/{agent}-b/v1.yaml": {"model": "standin/good"}}
    keys = {"web": [agent, f"{agent}-b"], "other": [f"{agent}-b"]}
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
        "keys": {
            name: {"sha256": hashlib.sha256(name.encode()).hexdigest(), "agents": may} for name, may in keys.items()
        },
    }
    entry = {"stable": "v1", "canary": "v2", "weight": "50%"}
    files["routing.yaml"] = {"agents": {agent: entry, f"{agent}-b": {"stable": "v1"}}}
    async with running(write(tmp_path, files), redis_url) as gateway:
        yield Served(gateway, agent)
    await standin.stop()


async def test_by_the_calls_id(served: Served) -> None:
    """Booked on the version that served it, and shown as its quality."""
    reply = await served.call()
    status, answer = await served.feedback(0.25, call_id=reply.headers["x-serinus-call-id"], comment="meh")
    arm = {"v1": "stable", "v2": "canary"}[reply.version]
    assert status == 200
    assert answer == {"agent": served.agent, "version": reply.version, "arm": arm, "counts": True}
    versions = (await served.view()).versions
    assert [versions[name].quality for name in ("v1", "v2")] == [
        0.25 if name == reply.version else None for name in ("v1", "v2")
    ]


@pytest.mark.parametrize("conversation", [f"conversation {number}" for number in range(4)])
async def test_by_the_conversation(served: Served, conversation: str) -> None:
    """By the client's own id of it: the version that serves it is the one that is scored."""
    reply = await served.call(f"x-conversation-id: {conversation}")
    status, answer = await served.feedback(True, conversation_id=conversation, agent=served.agent)
    assert (status, answer["version"], answer["counts"]) == (200, reply.version, True)
    assert (await served.view()).versions[reply.version].quality == 1.0


async def test_by_the_conversation_after_completion(served: Served) -> None:
    """The canary serves everybody now and is still watched: what it is scored for is booked as its calls are."""
    services = served.running.gateway.services
    done = await services.commands.act(served.agent, 1, command("promote", to_end=True))
    reply = await served.call("x-conversation-id: c")
    status, answer = await served.feedback(0, conversation_id="c", agent=served.agent)
    assert (status, reply.version, answer["version"]) == (200, "v2", "v2")
    assert (answer["arm"], answer["counts"]) == ("canary", True)
    await services.controller.finish()
    snapshot = await served.running.gateway.store.store.snapshot(served.agent)
    booked = snapshot.sides.canary.bad_units
    assert snapshot.state == done and (booked["quality"], booked[SCORED]) == (1, 1)


async def test_a_second_score_is_refused(served: Served) -> None:
    """409, for the call as for the conversation: the first one counts."""
    call_id = (await served.call("x-conversation-id: c")).headers["x-serinus-call-id"]
    for names in ({"call_id": call_id}, {"conversation_id": "c", "agent": served.agent}):
        assert (await served.feedback(0, **names))[0] == 200
        status, error = await served.feedback(1, **names)
        assert (status, error["code"]) == (409, "already_scored")


async def test_scores_have_a_mean(served: Served) -> None:
    """Over all calls that were scored, thumbs and numbers alike."""
    for score in (0, 1, 0.5, False):
        reply = await served.call(model=f"{served.agent}@v1")
        status, answer = await served.feedback(score, call_id=reply.headers["x-serinus-call-id"])
        assert (status, answer["arm"], answer["counts"]) == (200, None, False), "a pinned call is on no trial"
        assert answer["why"].startswith("the call is no evidence")
    view = await served.view()
    assert view.versions["v1"].quality is None, "pinned calls are counted apart"
    snapshot = await served.running.gateway.store.store.snapshot(served.agent)
    assert (snapshot.tallies["v1/apart"].scores, snapshot.tallies["v1/apart"].badness) == (4, 2_500_000)


@pytest.mark.parametrize("call_id", ["", "made-up", "A" * 52, "not ascii: é"])
async def test_an_unknown_call(served: Served, call_id: str) -> None:
    """404, with what would be known."""
    status, error = await served.feedback(call_id=call_id)
    assert (status, error["code"]) == (404, "unknown_call") and "x-serinus-call-id" in error["message"]


async def test_an_id_that_the_client_chose_is_unknown(served: Served) -> None:
    """It is echoed and names nothing: the call is scored by the id that is ours."""
    reply = await served.call("x-request-id: chosen-by-me")
    assert reply.headers["x-request-id"] == "chosen-by-me"
    assert (await served.feedback(call_id="chosen-by-me"))[0] == 404
    assert (await served.feedback(call_id=reply.headers["x-serinus-call-id"]))[0] == 200


async def test_late_feedback_counts_for_no_trial(served: Served) -> None:
    """The step that the call was served in is over: booked under it, and the running one knows nothing of it."""
    reply = await served.call()
    entry = {"stable": "v1", "canary": "v2", "weight": "60%"}
    routing = {"agents": {served.agent: entry, f"{served.agent}-b": {"stable": "v1"}}}
    write(served.running.folder, {"routing.yaml": routing})
    served.running.reload()
    await served.running.gateway.services.controller.poll()
    status, answer = await served.feedback(0, call_id=reply.headers["x-serinus-call-id"])
    assert (status, answer["version"], answer["counts"]) == (200, reply.version, False)
    assert answer["why"] == "late: the step in which the call was served is over"
    assert (await served.view()).versions[reply.version].quality == 0.0
    sides = (await served.running.gateway.store.store.snapshot(served.agent)).sides
    assert not sides.canary.scored and not sides.stable.scored


async def test_a_score_is_evidence_of_its_arm(served: Served) -> None:
    """Once for its unit: what it was scored, and that it was."""
    reply = await served.call("x-conversation-id: c")
    await served.feedback(0.25, call_id=reply.headers["x-serinus-call-id"])
    await served.view()
    sides = (await served.running.gateway.store.store.snapshot(served.agent)).sides
    arm = sides.canary if reply.version == "v2" else sides.stable
    assert sum(arm.scored.values()) == 1 and arm.badness("quality") == 0.75


@pytest.mark.parametrize("score", [None, "1", -0.1, 1.1, [], {}, 10**400])
async def test_what_is_no_score(served: Served, score: Any) -> None:
    """400, naming what is one; the call can still be scored."""
    call_id = (await served.call()).headers["x-serinus-call-id"]
    status, error = await served.feedback(score, call_id=call_id)
    assert (status, error["param"]) == (400, "score") and "from 0" in error["message"]
    assert (await served.feedback(1, call_id=call_id))[0] == 200


@pytest.mark.parametrize(
    "names, param",
    [
        ({}, "call_id"),
        ({"call_id": "a", "conversation_id": "b"}, "call_id"),
        ({"call_id": 7}, "call_id"),
        ({"conversation_id": "b"}, "agent"),
        ({"conversation_id": "b", "agent": "nobody"}, "agent"),
        ({"conversation_id": "b", "agent": 7}, "agent"),
        ({"call_id": "a", "comment": 7}, "comment"),
        ({"call_id": "a", "comment": "x" * 2001}, "comment"),
    ],
)
async def test_what_cannot_be_understood(served: Served, names: dict[str, Any], param: str) -> None:
    """400: which call, of which agent, what comment."""
    status, error = await served.feedback(**names)
    assert (status, error["param"]) == (400, param)


async def test_another_tenants_calls_are_not_ones_own(served: Served) -> None:
    """A call that the key may not make is as if it were not there; an agent that it may not call is refused."""
    call_id = (await served.call()).headers["x-serinus-call-id"]
    assert (await served.feedback(0, OTHER, call_id=call_id))[0] == 404
    status, _ = await served.feedback(0, OTHER, conversation_id="c", agent=served.agent)
    assert status == 403
    status, _ = await served.feedback(0, "authorization: Bearer nobody", call_id=call_id)
    assert status == 401
    assert (await served.feedback(1, call_id=call_id))[0] == 200, "nobody has taken the caller's own score away"


async def test_a_key_of_one_agent_need_not_name_it(served: Served) -> None:
    """And without a trial nothing counts but the version's quality."""
    await served.call("x-conversation-id: c", model=f"{served.agent}-b", key=OTHER)
    status, answer = await served.feedback(1, OTHER, conversation_id="c")
    assert (status, answer["agent"], answer["arm"], answer["counts"]) == (200, f"{served.agent}-b", None, False)


async def test_a_conversation_that_was_not_served(served: Served) -> None:
    """Made up, another caller's, of another agent, or one that got an error: 404, and nothing is kept of it."""
    await served.call("x-conversation-id: b", model=f"{served.agent}-b")
    await served.call("x-conversation-id: refused", model=f"{served.agent}@v9")
    for name in ("made-up", "b", "refused", "", "x" * 10_000):
        status, error = await served.feedback(0, conversation_id=name, agent=served.agent)
        assert (status, error["code"]) == (404, "unknown_conversation")
    status, _ = await served.feedback(0, OTHER, conversation_id="b")
    assert status == 404
    assert not (await served.running.gateway.store.store.snapshot(served.agent)).sides.canary.scored
    redis: Any = served.running.gateway.store.store
    kept = [key async for key in redis._client.scan_iter(f"serinus:{{{served.agent}}}:*")]
    assert not [key for key in kept if ":scored:" in key or ":answered:" in key]


async def test_a_conversation_of_an_earlier_step(served: Served) -> None:
    """It is booked where it was served, not where it would go now."""
    reply = await served.call("x-conversation-id: c")
    entry = {"stable": "v1", "canary": "v2", "weight": "100%" if reply.version == "v1" else "1%"}
    routing = {"agents": {served.agent: entry, f"{served.agent}-b": {"stable": "v1"}}}
    write(served.running.folder, {"routing.yaml": routing})
    served.running.reload()
    await served.running.gateway.services.controller.poll()
    status, answer = await served.feedback(0, conversation_id="c", agent=served.agent)
    assert (status, answer["version"], answer["counts"]) == (200, reply.version, False)


async def test_a_pinned_conversation(served: Served) -> None:
    """Its score is no evidence, though the split would have sent it to one of the arms."""
    await served.call("x-conversation-id: c", model=f"{served.agent}@v2")
    status, answer = await served.feedback(0, conversation_id="c", agent=served.agent)
    assert (status, answer["version"], answer["arm"], answer["counts"]) == (200, "v2", None, False)


async def test_another_replica_knows_the_conversation(served: Served, tmp_path: Path, redis_url: str) -> None:
    """And one that was started later: the store remembers which call answered last."""
    first = await served.call("x-conversation-id: c", model=f"{served.agent}@v1")
    await served.call("x-conversation-id: c", model=f"{served.agent}@v2")
    await served.view()
    async with running(served.running.folder, redis_url) as other:
        status, answer = await Served(other, served.agent).feedback(1, conversation_id="c", agent=served.agent)
        assert (status, answer["version"]) == (200, "v2") and first.version == "v1"
