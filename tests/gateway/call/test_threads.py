"""Anthropic's message threads: their turns at versions with a prompt, lost threads, and targets that have none."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.gateway.api.passed import once
from tests.support.calling import PROVIDERS, Place, failing, standing_in

Serve = Callable[..., Awaitable[Place]]
CREATE = {"type": "create"}
CONTINUE = {"type": "continue", "previous_message_id": "msg_1"}
VERSION = {"system_prompt": "You are a bird.", "tools": [{"type": "function", "function": {"name": "look"}}]}


async def ask(here: Place, thread: Any) -> httpx2.Response:
    """A turn of a thread."""
    body = {"model": here.agent, "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}], "thread": thread}
    return await here.http.post(f"{here.base_url}/messages", json=body, headers={"anthropic-version": "2023-06-01"})


async def test_a_turn_carries_neither_prompt_nor_tools(serve: Serve) -> None:
    """Anthropic holds them from the thread's beginning, and refuses a turn that repeats them."""
    here = await serve(api="anthropic", version=VERSION)
    assert (await ask(here, CREATE)).status_code == 200
    assert here.received_json().keys() >= {"system", "tools", "thread"}
    assert (await ask(here, CONTINUE)).status_code == 200
    assert here.received_json().keys().isdisjoint({"system", "tools"}) and here.received_json()["model"] == "good"


@pytest.mark.parametrize("api", [api for api in PROVIDERS if api != "anthropic"])
async def test_where_there_are_no_threads(serve: Serve, api: str) -> None:
    """The refusal has the shape after which the SDK goes on without one; it is no error of the version."""
    here = await serve(api=api)
    for thread in (CREATE, CONTINUE):
        refused = await ask(here, thread)
        error = refused.json()["error"]
        assert (refused.status_code, error["type"]) == (400, "invalid_request_error")
        assert error["details"] == {"error_code": "thread_unsupported_request"}
    books = await here.books(requests=2)
    assert (books.errors, books.rejected) == (0, 0) and not here.standin.requests


async def test_a_fallback_asks_for_the_whole_conversation(serve: Serve) -> None:
    """While Anthropic is away, clients of threads are told to send everything, which the next target then answers."""
    here = await serve(api="anthropic", routing={"fallback": ["standin/other"]})
    here.standin.behave("good", failing("status", status=529))
    assert (await ask(here, CONTINUE)).json()["error"]["details"]["error_code"] == "thread_unsupported_request"


@pytest.mark.parametrize("code", ["thread_not_found", "thread_already_continued"])
async def test_a_lost_thread_is_the_clients(serve: Serve, code: str) -> None:
    """It gets Anthropic's own words, and replays; no person is asked, and no version blamed."""
    body = {"type": "error", "error": {"type": "not_found_error", "message": "m", "details": {"error_code": code}}}
    said = json.dumps(body).encode()
    head = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(said)
    here = await serve(api="anthropic", routing={"fallback": ["human"]})
    async with standing_in(here, once(head + said), "anthropic"):
        refused = await ask(here, CONTINUE)
    assert refused.status_code == 404 and refused.json() == body
    books = await here.books()
    assert (books.errors, books.rejected) == (0, 0)
