"""Calls of an excluded user get stable, in whichever format and member it is named, and so do its conversations."""

import json
from typing import Any

import pytest

from gateway.rollout.parties import _user_party
from policies.rollout.rollout import change
from tests.conftest import Serve
from tests.support.calling import PROVIDERS, Place

KIM = {"safety_identifier": "kim"}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat, user": ("/chat/completions", {**CHAT, "user": "kim"}),
    "chat, safety identifier": ("/chat/completions", {**CHAT, **KIM}),
    "chat, metadata": ("/chat/completions", {**CHAT, "metadata": {"user_id": "kim"}}),
    "chat, streamed": ("/chat/completions", {**CHAT, "user": "kim", "stream": True}),
    "responses": ("/responses", {"input": "hi", "user": "kim"}),
    "messages": ("/messages", {**CHAT, "max_tokens": 9, "metadata": {"user_id": "kim"}}),
    "Claude Code": ("/messages", {**CHAT, "max_tokens": 9, "metadata": {"user_id": "user_d_account_kim_session_1"}}),
}


async def place_without_kim(serve: Serve) -> Place:
    """A canary that gets all calls but those of one user, who is excluded."""
    here = await serve(
        api="openai-responses",
        routing={"canary": "v2", "weight": "100%", "guardrails": []},
        files={"v2.yaml": {"model": f"{PROVIDERS['openai-responses']}/good", "temperature": 0.5}},
    )
    services = here.running.gateway.services
    state = services.table.seen(here.agent)
    assert state
    decision = change(state, 0.0, excluded=(_user_party("kim"),))
    committed = await services.store.commit(here.agent, decision, "digest")
    assert committed.won and services.table.turn(here.agent, decision.state)
    return here


async def version_of(here: Place, path: str, body: dict[str, Any], **headers: str) -> tuple[str, Any]:
    reply = await here.http.post(f"{here.base_url}{path}", json={"model": here.agent, **body}, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.headers["x-serinus-version"], None if body.get("stream") else reply.json()


@pytest.mark.parametrize("name", FORMATS)
async def test_an_excluded_user_is_known_in_every_format(serve: Serve, name: str) -> None:
    """Everybody else gets the canary, and whoever is pinned to it."""
    here = await place_without_kim(serve)
    path, body = FORMATS[name]
    assert (await version_of(here, path, body))[0] == "v1"
    other = json.loads(json.dumps(body).replace("kim", "lee").replace('"hi"', '"good day"').replace("_1", "_2"))
    assert (await version_of(here, path, other))[0] == "v2"
    assert (await version_of(here, path, {**body, "model": f"{here.agent}@v2"}))[0] == "v2"


async def test_a_conversation_of_an_excluded_user_stays_on_stable(serve: Serve) -> None:
    """Also where a later turn does not name the user: by the answer that it continues, or by the conversation's id."""
    here = await place_without_kim(serve)
    version, answer = await version_of(here, "/responses", {"input": "hi", **KIM})
    for _ in range(3):
        assert version == "v1"
        further = {"input": "more", "previous_response_id": answer["id"]}
        version, answer = await version_of(here, "/responses", further)
    header = {"x-conversation-id": "kims"}
    assert (await version_of(here, "/chat/completions", {**CHAT, **KIM}, **header))[0] == "v1"
    assert (await version_of(here, "/chat/completions", CHAT, **header))[0] == "v1"


async def test_a_conversation_that_once_named_its_user_may_leave_the_canary_late(serve: Serve) -> None:
    """Nothing in a turn says whose it is where it names nobody; the first one that does takes all later ones along."""
    here, header = await place_without_kim(serve), {"x-conversation-id": "kims"}
    assert (await version_of(here, "/chat/completions", CHAT, **header))[0] == "v2"
    assert (await version_of(here, "/chat/completions", {**CHAT, **KIM}, **header))[0] == "v1"
    assert (await version_of(here, "/chat/completions", CHAT, **header))[0] == "v1"
