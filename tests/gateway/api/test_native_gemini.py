"""Gemini's own endpoints beside answers: embeddings by the agent in their path, files and caches at Google's."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from gateway.calls import Caller
from gateway.errors import NotFound
from gateway.passthrough.makers import Makers
from tests.gateway.api.passed import booked
from tests.support.calling import PROVIDER_KEY, PROVIDERS, Place

Serve = Callable[..., Awaitable[Place]]


async def ask(here: Place, method: str, path: str, **more: Any) -> httpx2.Response:
    """A request of Google's SDK."""
    url = here.base_url.removesuffix("/v1") + path
    return await here.http.request(method, url, headers={"x-goog-api-key": "a-key"}, **more)


async def test_embeddings(serve: Serve) -> None:
    """The agent in the path becomes the version's model, there and in each of the requests; it is metered apart."""
    here = await serve(api="gemini")
    named, content = f"models/{here.agent}", {"parts": [{"text": "a"}]}
    one = await ask(here, "POST", f"/v1beta/{named}:embedContent", json={"model": named, "content": content})
    assert len(one.json()["embedding"]["values"]) == 8 and one.headers["x-serinus-version"] == "v1"
    batch = {"requests": [{"model": named, "content": content}, {"content": content}]}
    many = await ask(here, "POST", f"/v1beta/{named}:batchEmbedContents", json=batch)
    assert len(many.json()["embeddings"]) == 2
    assert here.received().path == "/v1beta/models/good:batchEmbedContents"
    assert [each["model"] for each in here.received_json()["requests"]] == ["models/good"] * 2
    assert (await booked(here)).errors == 0 and (await here.books(requests=0)).requests == 0


async def test_files_and_caches_go_to_googles_account(serve: Serve) -> None:
    """With Google's key in its own header; a cache names the agent, and is made for its model."""
    here = await serve(api="gemini")
    assert (await ask(here, "GET", "/v1beta/files?pageSize=5")).status_code == 200
    headers = {name.lower(): value for name, value in here.received().headers}
    assert here.received().path == "/v1beta/files?pageSize=5" and headers["x-goog-api-key"] == PROVIDER_KEY
    await ask(here, "POST", "/v1beta/cachedContents", json={"model": f"models/{here.agent}", "contents": []})
    assert here.received_json()["model"] == "models/good" and here.received().path == "/v1beta/cachedContents"


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/x:asyncBatchEmbedContent",
        "/v1beta/tunedModels",
        "/upload/v1beta/other",
        "/v1beta/other",
        "/v1/models/x%0A:embedContent",
    ],
)
async def test_all_else_is_a_404_in_googles_dialect(serve: Serve, path: str) -> None:
    """What is not forwarded."""
    here = await serve(api="gemini")
    refused = await ask(here, "POST", path, json={})
    assert (refused.status_code, refused.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert not here.standin.requests


async def test_elsewhere_it_is_a_404(serve: Serve) -> None:
    """Where the agent's provider speaks another format, or nobody speaks this one."""
    here = await serve()
    for path in (f"/v1beta/models/{here.agent}:embedContent", "/v1beta/files"):
        refused = await ask(here, "POST", path, json={})
        assert (refused.status_code, refused.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_names_are_owned_like_ids() -> None:
    """Google's objects have names; a URL or a verb behind one hides it from nobody."""
    makers, one = Makers(), Caller("one", "", frozenset({"a"}))
    makers.learn(b'{"file": {"name": "files/abc"}}', one)
    makers.learn(b'{"name": "cachedContents/xyz"}', one)
    two = Caller("two", "", frozenset({"a"}))
    for named in (
        "files/abc",
        "abc",
        "https://x.googleapis.com/v1beta/files/abc",
        "abc:download",
        "cachedContents/xyz",
    ):
        makers.check([named], one)
        with pytest.raises(NotFound):
            makers.check([named], two)


@pytest.mark.parametrize("api", PROVIDERS)
async def test_tokens_are_counted(serve: Serve, api: str) -> None:
    """By Gemini, the version's prompt included, or estimated; nothing is booked, and a whole request may be given."""
    here = await serve(api=api, version={"system_prompt": "You are a bird."})
    contents = [{"role": "user", "parts": [{"text": "hello"}]}]
    for body in ({"contents": contents}, {"generateContentRequest": {"model": "models/x", "contents": contents}}):
        counted = await ask(here, "POST", f"/v1beta/models/{here.agent}:countTokens", json=body)
        assert counted.status_code == 200 and counted.json()["totalTokens"] > 0, counted.text
        if api == "gemini":
            inner = here.received_json()["generateContentRequest"]
            assert inner["model"] == "models/good" and "bird" in str(inner["systemInstruction"])
            assert here.received().path == "/v1beta/models/good:countTokens"
    assert (await here.books(requests=0)).requests == 0 and (api == "gemini") == bool(here.standin.requests)


async def test_a_count_of_nobody(serve: Serve) -> None:
    """An unknown agent is a 404, and what is no request a 400, in Google's dialect."""
    here = await serve(api="gemini")
    for agent, status in (("nobody", "NOT_FOUND"), (here.agent, "INVALID_ARGUMENT")):
        refused = await ask(here, "POST", f"/v1beta/models/{agent}:countTokens", json={"contents": 5})
        assert refused.json()["error"]["status"] == status


async def test_googles_sdk_leaves_beta_out(serve: Serve) -> None:
    """The same endpoints under `/v1`, for Google's clients; OpenAI's files stay OpenAI's."""
    here = await serve(api="gemini")
    assert (await ask(here, "GET", "/v1/files")).status_code == 200
    assert here.received().path == "/v1beta/files"
    body = {"content": {"parts": [{"text": "a"}]}}
    assert (await ask(here, "POST", f"/v1/models/{here.agent}:embedContent", json=body)).status_code == 200
    counted = await ask(here, "POST", f"/v1/models/{here.agent}:countTokens", json={"contents": [body["content"]]})
    assert counted.json()["totalTokens"] > 0
    await here.http.get(f"{here.base_url}/files", headers={"authorization": "Bearer a-key"})
    assert here.received().path == "/v1/files"
