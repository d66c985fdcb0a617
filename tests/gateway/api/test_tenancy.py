"""Keys for some agents on one account: what one stores there is nothing to the others, in every format and verb."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.calls import Caller
from gateway.errors import NotFound
from gateway.passthrough.makers import Makers
from tests.gateway.api.shared_account import sharing
from tests.support.calling import Place
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
CHAT = {"messages": [{"role": "user", "content": "hi"}], "store": True}
ANTHROPIC = {"headers": {"anthropic-version": "2023-06-01"}}
LISTS = (
    *("/files", "/files/", "/FILES;x", "/files?limit=1", "/uploads", "/vector_stores", "/containers", "/conversations"),
    *("/skills", "/videos", "/batches", "/evals", "/fine_tuning/jobs", "/assistants", "/threads", "/audio/voices"),
)


def first_id(text: str) -> str:
    return text.replace(" ", "").partition('"id":"')[2].partition('"')[0]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_response_of_another_key(serve: Serve, stream: bool) -> None:
    """No other key reads, deletes, cancels or continues it, and no provider is asked; its maker does all of it."""
    async with sharing(serve, "openai-responses") as ask:
        here = ask.here  # type: ignore[attr-defined]
        body = {"model": here.agent, "input": "hi"}
        made = first_id((await ask("a", "POST", "/responses", json={**body, "stream": stream})).text)
        further = {**body, "previous_response_id": made}

        async def all_of_it(key: str) -> list[int]:
            path = f"/responses/{made}"
            counted = {"model": here.agent, "previous_response_id": made}
            replies = [
                await ask(key, "GET", path), await ask(key, "GET", f"{path}/input_items"),
                await ask(key, "POST", "/responses", json=further),
                await ask(key, "POST", "/responses/input_tokens", json=counted),
                await ask(key, "POST", f"{path}/cancel"), await ask(key, "DELETE", path),
            ]  # fmt: skip
            return [reply.status_code for reply in replies]

        asked = len(here.standin.requests)
        assert made.startswith("resp_") and await all_of_it("b") == [404] * 6
        assert len(here.standin.requests) == asked
        own = await all_of_it("a")
        assert own[:3] == [200] * 3 and own[-1] == 200, own


async def test_a_response_of_a_socket(serve: Serve) -> None:
    """What a key makes over a WebSocket is its own, too."""
    async with sharing(serve, "openai-responses") as ask:
        here = ask.here  # type: ignore[attr-defined]
        async with socket(f"{here.base_url}/responses", {"authorization": "Bearer a"}) as line:
            line.create(here.agent, input="hi", store=True)
            made = (await line.response())[-1]["response"]["id"]
        assert [(await ask(key, "GET", f"/responses/{made}")).status_code for key in ("b", "a", "all")] == [
            404,
            200,
            200,
        ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_stored_completion_of_another_key(serve: Serve, stream: bool) -> None:
    """A chat completion with `store: true` is its maker's; one that is stored nowhere is not remembered."""
    async with sharing(serve) as ask:
        here = ask.here  # type: ignore[attr-defined]
        answer = await ask("a", "POST", "/chat/completions", json={"model": here.agent, **CHAT, "stream": stream})
        path, asked = f"/chat/completions/{first_id(answer.text)}", len(here.standin.requests)
        for method, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/messages")):
            assert (await ask("b", method, where)).status_code == 404
        assert len(here.standin.requests) == asked
        await ask("a", "GET", path)
        assert len(here.standin.requests) == asked + 1
        other = await ask("a", "POST", "/chat/completions", json={"model": here.agent, **CHAT, "store": False})
        await ask("b", "GET", f"/chat/completions/{first_id(other.text)}")
        assert len(here.standin.requests) == asked + 3


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_of_a_shared_account(serve: Serve, path: str) -> None:
    """A list names what all keys stored: a key for some agents gets none, a key for all agents does."""
    async with sharing(serve) as ask:
        here = ask.here  # type: ignore[attr-defined]
        refused = await ask("b", "GET", path)
        assert (refused.status_code, list(here.standin.requests)) in [(403, []), (404, [])], refused.text
        await ask("all", "GET", path)
        assert len(here.standin.requests) == 1 or path == "/FILES;x"


@pytest.mark.parametrize(
    ("api", "path"),
    [
        *(("anthropic", path) for path in ("/files", "/messages/batches", "/skills")),
        *(("gemini", f"/v1beta/{name}") for name in ("files", "cachedContents", "batches", "fileSearchStores")),
    ],
)
async def test_a_list_of_another_api(serve: Serve, api: str, path: str) -> None:
    """So it is at accounts of Anthropic's and Google's."""
    async with sharing(serve, api) as ask:
        here = ask.here  # type: ignore[attr-defined]
        more: dict[str, Any] = ANTHROPIC if api == "anthropic" else {}
        assert (await ask("b", "GET", path, **more)).status_code == 403
        assert list(here.standin.requests) == []


async def test_a_list_of_an_account_of_ones_own(serve: Serve) -> None:
    """A key that shares its account with nobody gets its lists."""
    async with sharing(serve, keys=("a",)) as ask:
        assert (await ask("a", "GET", "/files")).status_code == 200


def test_nobody_makes_anothers_ids_forgotten() -> None:
    """Where too many are remembered, whoever made most loses the oldest; answers of models are apart from files."""
    makers = Makers(most=64)
    victim, greedy = (Caller(name, "", frozenset()) for name in ("victim", "greedy"))
    makers.learn_id("file-1", victim)
    for number in range(1000):
        makers.learn_id(f"file-of-greedy-{number}", greedy)
        makers.learn_answer(f"resp_{number}", victim)
    with pytest.raises(NotFound):
        makers.check(["file-1"], greedy)
    makers.check(["file-of-greedy-0"], victim)
    with pytest.raises(NotFound):
        makers.check(["file-of-greedy-999"], victim)
