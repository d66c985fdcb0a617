"""A turn that goes on from what its provider holds keeps the version of the answer that it names."""

import json
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.calling import PROVIDERS, Place

TURNS = 20


async def place_of(serve: Serve, api: str) -> Place:
    """Half of the units on v2, both versions at one account."""
    target = f"{PROVIDERS[api]}/good"
    return await serve(
        api=api,
        routing={"canary": "v2", "weight": "50%", "guardrails": []},
        files={"v2.yaml": {"model": target, "temperature": 0.5}},
    )


async def turn(here: Place, path: str, body: dict[str, Any]) -> tuple[str, str]:
    """One call: who served it, and the id of the answer."""
    reply = await here.http.post(f"{here.base_url}{path}", json={"model": here.agent, **body})
    assert reply.status_code == 200, reply.text
    first = next((line for line in reply.text.splitlines() if line.startswith("data: {")), f"data: {reply.text}")
    said = json.loads(first.removeprefix("data: "))
    answer = said.get("response") or said.get("message") or said.get("interaction") or said
    return reply.headers["x-serinus-version"], answer["id"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stored_response_is_continued_on_its_version(serve: Serve, stream: bool) -> None:
    """Over several turns, whole and streamed; the conversations themselves fall by weight."""
    here, seen = await place_of(serve, "openai-responses"), set[str]()
    for number in range(TURNS):
        version, answer = await turn(here, "/responses", {"input": f"question {number}", "stream": stream})
        for further in range(2):
            body = {"input": f"more {number} {further}", "previous_response_id": answer, "stream": stream}
            now, answer = await turn(here, "/responses", body)
            assert now == version
        seen.add(version)
    assert seen == {"v1", "v2"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stored_interaction_is_continued_on_its_version(serve: Serve, stream: bool) -> None:
    """So are Gemini's, at a provider that speaks generateContent as well."""
    here, seen = await place_of(serve, "gemini"), set[str]()
    for number in range(TURNS):
        version, answer = await turn(here, "beta/interactions", {"input": f"question {number}", "stream": stream})
        for further in range(2):
            body = {"input": f"more {number} {further}", "previous_interaction_id": answer, "stream": stream}
            now, answer = await turn(here, "beta/interactions", body)
            assert now == version
        seen.add(version)
    assert seen == {"v1", "v2"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_message_thread_is_continued_on_its_version(serve: Serve, stream: bool) -> None:
    """Its turns carry the new message alone, and the id of the last one."""
    here, seen = await place_of(serve, "anthropic"), set[str]()
    for number in range(TURNS):
        body = {"max_tokens": 50, "stream": stream, "messages": [{"role": "user", "content": f"question {number}"}]}
        version, answer = await turn(here, "/messages", {**body, "thread": {"type": "create"}})
        further = {**body, "messages": [{"role": "user", "content": f"more {number}"}]}
        thread = {"type": "continue", "previous_message_id": answer}
        now, _ = await turn(here, "/messages", {**further, "thread": thread})
        assert now == version
        seen.add(version)
    assert seen == {"v1", "v2"}


async def test_a_response_that_is_not_stored_is_not_listened_to(serve: Serve) -> None:
    """Nobody can go on from it."""
    here = await place_of(serve, "openai-responses")
    under_way = here.running.gateway.services.proxy.conversations.beginnings.under_way
    await turn(here, "/responses", {"input": "hi", "store": False})
    assert len(under_way._agents[here.agent].newest) == 1
    await turn(here, "/responses", {"input": "hi"})
    assert len(under_way._agents[here.agent].newest) == 2


@pytest.mark.parametrize("sticky", ["user", "header:x-tenant"])
async def test_equal_openings_are_split_where_the_unit_has_no_name(serve: Serve, sticky: str) -> None:
    """Calls without the user or the header belong to their conversation; of many that begin alike each is its own."""
    here = await serve(
        routing={"canary": "v2", "weight": "50%", "guardrails": [], "sticky": sticky},
        files={"v2.yaml": {"model": "standin/good", "temperature": 0.5}},
    )
    seen = set[str]()
    for _ in range(40):
        body = {"model": here.agent, "messages": [{"role": "user", "content": "hi"}]}
        reply = await here.http.post(f"{here.base_url}/chat/completions", json=body)
        seen.add(reply.headers["x-serinus-version"])
    assert seen == {"v1", "v2"}


async def test_a_user_keeps_its_version_in_every_session(serve: Serve) -> None:
    """With `sticky: user`, also where the name of the user has Claude Code's session within."""
    here = await serve(
        api="anthropic", routing={"canary": "v2", "weight": "50%", "guardrails": [], "sticky": "user"},
        files={"v2.yaml": {"model": f"{PROVIDERS['anthropic']}/good", "temperature": 0.5}},
    )  # fmt: skip
    seen: dict[int, set[str]] = {}
    for number in range(40):
        user = json.dumps({"device_id": "d", "account_uuid": f"a{number % 8}", "session_id": f"s{number}"})
        body = {"model": here.agent, "max_tokens": 9, "messages": [{"role": "user", "content": f"{number}"}]}
        reply = await here.http.post(f"{here.base_url}/messages", json={**body, "metadata": {"user_id": user}})
        seen.setdefault(number % 8, set()).add(reply.headers["x-serinus-version"])
    assert all(len(versions) == 1 for versions in seen.values())
    assert set[str]().union(*seen.values()) == {"v1", "v2"}
