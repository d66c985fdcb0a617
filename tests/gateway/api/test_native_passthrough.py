"""Anthropic's own endpoints beside messages: they go to Anthropic's account, in its dialect, whoever else is there."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.gateway.api.keys import digest_of
from tests.gateway.api.passed import logged, once
from tests.support.calling import PROVIDER_KEY, Place, standing_in
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]
VERSION = {"anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14"}
FORM: dict[str, Any] = {"files": {"file": ("a.txt", b"words")}}
BATCH = {"requests": [{"custom_id": "one", "params": {"model": "claude-x", "max_tokens": 5, "messages": []}}]}


async def ask(here: Place, method: str, path: str, key: str = "a-key", **more: Any) -> httpx2.Response:
    """A request of Anthropic's SDK."""
    return await here.http.request(method, f"{here.base_url}{path}", headers={**VERSION, "x-api-key": key}, **more)


async def limit(here: Place, *names: str) -> None:
    """Give the gateway keys of these names, for its agent alone."""
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    keys = {name: {"sha256": digest_of(name), "agents": [here.agent]} for name in names}
    write(here.running.folder, {"gateway.yaml": {**settings, "keys": keys}})
    here.running.reload()


async def test_files_go_to_anthropics_account(serve: Serve) -> None:
    """Upload, list, content and deletion, with Anthropic's key in its own header, beside an account of OpenAI's."""
    here = await serve(api="anthropic")
    made = (await ask(here, "POST", "/files", **FORM)).json()
    sent = here.received()
    assert made["type"] == "file" and made["size_bytes"] == 5 and sent.path == "/v1/files"
    headers = {name.lower(): value for name, value in sent.headers}
    assert headers["x-api-key"] == PROVIDER_KEY and headers["anthropic-beta"] == "files-api-2025-04-14"
    assert "authorization" not in headers
    assert (await ask(here, "GET", "/files?limit=5")).json()["data"] == [made]
    assert here.received().path.endswith("/files?limit=5")
    assert (await ask(here, "GET", f"/files/{made['id']}/content")).content == b"words"
    assert (await ask(here, "DELETE", f"/files/{made['id']}")).json()["type"] == "file_deleted"
    gone = await ask(here, "GET", f"/files/{made['id']}")
    assert gone.status_code == 404 and gone.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("pin", ["", "@v1", "@v9"])
async def test_a_batch_names_no_agent(serve: Serve, pin: str) -> None:
    """Its requests go up as they are: an agent's name there is a 400 with the place and the model to write."""
    here = await serve(api="anthropic")
    named = {"custom_id": "two", "params": {"model": here.agent + pin, "max_tokens": 5, "messages": []}}
    refused = await ask(here, "POST", "/messages/batches", json={"requests": [*BATCH["requests"], named]})
    message = refused.json()["error"]["message"]
    assert refused.status_code == 400 and "requests.1.params.model" in message and "'good'" in message
    assert not here.standin.requests


async def test_a_batch_may_name_a_model_that_an_agent_is_called_by(serve: Serve) -> None:
    """An alias, or an agent of its model's name: in a batch such a name means the provider's model."""
    here = await serve(api="anthropic", aliases={"claude-x": "agent"})
    assert (await ask(here, "POST", "/messages/batches", json=BATCH)).status_code == 200


async def test_batches(serve: Serve) -> None:
    """A batch's results are asked for at the gateway: its SDK would take the caller's key to Anthropic otherwise."""
    here = await serve(api="anthropic")
    made = (await ask(here, "POST", "/messages/batches", json=BATCH)).json()
    assert made["results_url"] == f"/v1/messages/batches/{made['id']}/results"
    listed = await ask(here, "GET", "/messages/batches")
    assert "anthropic.com" not in listed.text and listed.json()["data"][0]["id"] == made["id"]
    results = await ask(here, "GET", f"/messages/batches/{made['id']}/results")
    assert json.loads(results.text)["custom_id"] == "one" and "jsonl" in results.headers["content-type"]


@pytest.mark.parametrize(("sent", "status"), [(b"", 502), (b'{"data": [', None)])
async def test_json_that_breaks(serve: Serve, sent: bytes, status: int | None) -> None:
    """A 502 in Anthropic's dialect before the first byte; behind it, an answer that does not look whole."""
    here = await serve(api="anthropic")
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n" + sent
    async with standing_in(here, once(answer), "anthropic"):
        if status is None:
            with pytest.raises(httpx2.TransportError):
                await ask(here, "GET", "/messages/batches")
        else:
            told = await ask(here, "GET", "/messages/batches")
            assert (told.status_code, told.json()["type"]) == (status, "error")


async def test_what_is_forwarded_is_metered_apart(serve: Serve, capfd: Any) -> None:
    """A named agent's request is counted apart from its calls; another one is a line in the log."""
    here = await serve(api="anthropic")
    assert (await ask(here, "GET", f"/files?model={here.agent}")).status_code == 200
    assert here.received().path == "/v1/files"
    assert (await here.books("v1", requests=0)).requests == 0
    await ask(here, "GET", "/files")
    assert (await logged(capfd, "passed"))["provider"] == "standin-anthropic"


@pytest.mark.parametrize("path", ["/images/generations", "/organizations/users", "/files/%2e%2e/messages", "/complete"])
async def test_what_is_not_anthropics_is_a_404_in_its_dialect(serve: Serve, path: str) -> None:
    """OpenAI's endpoints, those that manage the account, and those that run a model past its version."""
    here = await serve(api="anthropic")
    url = httpx2.URL(f"{here.base_url}{path}")
    refused = await here.http.post(url, headers=VERSION, json={})
    assert (refused.status_code, refused.json()["type"]) == (404, "error")
    assert not here.standin.requests


async def test_without_an_account_of_anthropics(serve: Serve) -> None:
    """A 404 in Anthropic's dialect, also where the named agent is served elsewhere."""
    here = await serve()
    for query in ("", f"?model={here.agent}"):
        refused = await ask(here, "POST", f"/files{query}", **FORM)
        assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")
    assert not here.standin.requests


async def test_keys_for_some_agents(serve: Serve) -> None:
    """They name their agent, reach no file of another key, and begin no batch, which runs any model."""
    here = await serve(api="anthropic")
    await limit(here, "one", "two")
    named = f"?model={here.agent}"
    assert (await ask(here, "POST", "/files", "one", **FORM)).status_code == 400
    made = (await ask(here, "POST", f"/files{named}", "one", **FORM)).json()["id"]
    assert (await ask(here, "GET", f"/files/{made}{named}", "one")).status_code == 200
    refused = await ask(here, "GET", f"/files/{made}{named}", "two")
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")
    refused = await ask(here, "POST", f"/messages/batches{named}", "one", json=BATCH)
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")


async def test_limits(serve: Serve) -> None:
    """An upload has the limit of uploads, and JSON that of bodies."""
    here = await serve(api="anthropic", gateway={"limits": {"upload": "100kB", "body": "10kB"}})
    refused = await ask(here, "POST", "/files", files={"file": ("a", b"x" * 200_000)})
    assert refused.status_code == 413
    refused = await ask(here, "POST", "/messages/batches", json={"requests": ["x" * 20_000]})
    assert refused.status_code == 413
    assert (await ask(here, "POST", "/files", files={"file": ("a", b"x" * 50_000)})).status_code == 200
