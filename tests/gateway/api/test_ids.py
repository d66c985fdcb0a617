"""Ids of answers and refusals, where each format's clients look for them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.api.keys import digest_of
from tests.support.calling import HELLO, Place

Serve = Callable[..., Awaitable[Place]]


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropics_clients_find_an_answers_id(serve: Serve, stream: bool) -> None:
    """Their SDKs read it from `request-id`; it is the call's."""
    here = await serve()
    body = {"model": here.agent, "max_tokens": 5, "messages": HELLO, "stream": stream}
    answer = await here.http.post(f"{here.base_url}/messages", json=body)
    assert answer.headers["request-id"] == answer.headers["x-serinus-call-id"]
    assert "request-id" not in (await here.chat()).headers


@pytest.mark.parametrize(("path", "own"), [("messages", ["request-id"]), ("chat/completions", []), ("nothing", [])])
async def test_a_refusal_has_an_id(serve: Serve, path: str, own: list[str]) -> None:
    """Also where no call came of the request, and each its own; Anthropic's error body says it, too."""
    here = await serve()
    seen = set()
    for _ in range(2):
        answer = await here.http.post(f"{here.base_url}/{path}", content=b"{")
        ids = {answer.headers[name] for name in ("x-request-id", *own)}
        assert len(ids) == 1
        assert answer.json().get("request_id", *ids) in ids
        seen |= ids
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("path", "name"), [("/v1beta/models/x:generateContent", "x-goog-api-key"), ("/v1/messages", "x-api-key")]
)
async def test_a_401_names_the_clients_own_header(serve: Serve, path: str, name: str) -> None:
    """Beside Bearer, for a wrong key and for none."""
    here = await serve(gateway={"keys": {"one": {"sha256": digest_of("one")}}})
    url = here.base_url.removesuffix("/v1") + path
    headers: list[Any] = [{name: "wrong"}, {}]
    for each in headers:
        refused = await here.http.post(url, json={}, headers=each)
        assert refused.status_code == 401 and f"'{name}: <key>' or 'Authorization: Bearer <key>'" in refused.text
