"""`/v1/models` shows what may be called."""

import hashlib
from collections.abc import Awaitable, Callable

from tests.support.calling import Place

Serve = Callable[..., Awaitable[Place]]


async def test_agents_and_versions(serve: Serve) -> None:
    """Each agent, and each of its versions as `agent@version`, as OpenAI's list of models."""
    here = await serve(files={"v2.yaml": {"model": "standin/better"}})
    listed = (await here.http.get(f"{here.base_url}/models")).json()
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]] == [here.agent, f"{here.agent}@v1", f"{here.agent}@v2"]
    one = await here.http.get(f"{here.base_url}/models/{here.agent}@v2")
    assert one.json() == listed["data"][2]
    assert one.json().keys() == {"id", "object", "created", "owned_by"}


async def test_only_what_the_key_may_call(serve: Serve) -> None:
    """A key that is for other agents does not even learn of this one; no key learns nothing."""
    here = await serve(gateway={"keys": {"app": {"sha256": hashlib.sha256(b"k").hexdigest(), "agents": []}}})
    headers = {"authorization": "Bearer k"}
    assert (await here.http.get(f"{here.base_url}/models", headers=headers)).json()["data"] == []
    assert (await here.http.get(f"{here.base_url}/models/{here.agent}", headers=headers)).status_code == 404
    assert (await here.http.get(f"{here.base_url}/models")).status_code == 401


async def test_in_anthropics_shape(serve: Serve) -> None:
    """Clients that send `anthropic-version` get Anthropic's list, model and error; their key comes as they send it."""
    keys = {"app": {"sha256": hashlib.sha256(b"k").hexdigest()}}
    here = await serve(gateway={"keys": keys})
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    listed = (await here.http.get(f"{here.base_url}/models", headers=headers)).json()
    assert [each["id"] for each in listed["data"]] == [here.agent, f"{here.agent}@v1"]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, here.agent, f"{here.agent}@v1")
    one = (await here.http.get(f"{here.base_url}/models/{here.agent}@v1", headers=headers)).json()
    assert one == listed["data"][1] and one["type"] == "model" and one["created_at"].endswith("Z")
    refused = await here.http.get(f"{here.base_url}/models/nobody", headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")
    refused = await here.http.get(f"{here.base_url}/models", headers={**headers, "x-api-key": "l"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")


async def test_an_empty_list_in_anthropics_shape(serve: Serve) -> None:
    """Without a first and a last."""
    here = await serve(gateway={"keys": {"app": {"sha256": hashlib.sha256(b"k").hexdigest(), "agents": []}}})
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    listed = (await here.http.get(f"{here.base_url}/models", headers=headers)).json()
    assert listed == {"data": [], "has_more": False, "first_id": None, "last_id": None}


async def test_in_geminis_shape(serve: Serve) -> None:
    """At `/v1beta/models`, each under `models/`; at `/v1/models` for Google's clients, known by their key, too."""
    keys = {"app": {"sha256": hashlib.sha256(b"k").hexdigest()}}
    here = await serve(gateway={"keys": keys})
    url, headers = f"{here.running.url}/v1beta/models", {"x-goog-api-key": "k"}
    listed = (await here.http.get(f"{url}?pageSize=50", headers=headers)).json()["models"]
    assert [each["name"] for each in listed] == [f"models/{here.agent}", f"models/{here.agent}@v1"]
    assert (listed[1]["baseModelId"], listed[1]["version"]) == (here.agent, "v1")
    assert (await here.http.get(f"{url}/{here.agent}@v1", headers=headers)).json() == listed[1]
    assert (await here.http.get(f"{here.base_url}/models", headers=headers)).json()["models"] == listed
    refused = await here.http.get(f"{url}/nobody", headers=headers)
    assert (refused.status_code, refused.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert (await here.http.get(url)).status_code == 401
