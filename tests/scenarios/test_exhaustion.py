"""A host without a file descriptor left: said so to clients and operators, and never booked against anyone."""

import json
from collections.abc import Awaitable, Callable

import pytest

from tests.support.calling import PROVIDERS, Place
from tests.support.crowd import Line
from tests.support.descriptors import no_descriptor_left

Serve = Callable[..., Awaitable[Place]]
ROUTING = {"fallback": ["standin/other"]}
CALLS: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/embeddings": {"input": "hi"},
}


async def connected(here: Place) -> Line:
    """A connection that stands already, as the gateway could take no other."""
    line = Line(here.running.url)
    assert (await line.ask("GET", "/healthz")).status == 200
    return line


@pytest.mark.parametrize("api", PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
async def test_it_is_nobodys_failure(serve: Serve, api: str, stream: bool) -> None:
    """503 with Retry-After; no fallback, no retry, no error, no circuit, no reason of the version's."""
    here = await serve(api=api, routing=ROUTING, gateway={"circuit": {"failures": 1}, "retries": {"per_target": 2}})
    line = await connected(here)
    body = json.dumps({"model": here.agent, "stream": stream, **CALLS["/v1/chat/completions"]}).encode()
    with no_descriptor_left():
        reply = await line.ask("POST", "/v1/chat/completions", body)
    assert (reply.status, reply.headers["retry-after"], reply.headers["x-serinus-failed-by"]) == (503, "1", "gateway")
    assert (reply.headers["x-serinus-attempts"], len(here.standin.requests)) == ("1", 0)
    books = await here.books()
    assert (books.errors, books.rejected, books.reasons) == (0, 0, ())
    assert here.running.gateway.services.proxy.attempts.circuits.states() == {}
    line.close()


@pytest.mark.parametrize("path", CALLS)
async def test_each_format_says_it_in_its_own_words(serve: Serve, path: str) -> None:
    """The error body is the format's; what comes in the next second is shed before it is a call."""
    here = await serve()
    line = await connected(here)
    body = json.dumps({"model": here.agent, **CALLS[path]}).encode()
    with no_descriptor_left():
        replies = [await line.ask("POST", path, body) for _ in range(2)]
    for reply in replies:
        error = json.loads(reply.body)
        assert reply.status == 503 and "file descriptor" in error["error"]["message"]
        assert (error.get("type") == "error") is (path == "/v1/messages")
    assert (await here.books()).requests == 1
    assert here.running.gateway.services.overload.view().shed == {"files": 2}
    line.close()
