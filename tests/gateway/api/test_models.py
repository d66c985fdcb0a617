"""`/v1/models` shows what may be called."""

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.calling import PROVIDER_KEY, SOON, Place

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


async def test_aliases_and_plain_models(serve: Serve) -> None:
    """All that a client may name, in each shape; one that no configuration spells out is there by its own id."""
    price = {"target": "standin/listed", "from": "2026-01-01", "input": 1, "output": 1}
    here = await serve(
        gateway={"models": ["standin/gpt-4o", "standin/open-*"], "prices": [price]}, aliases={"gpt-4o": "agent"}
    )
    expected = [here.agent, f"{here.agent}@v1", "gpt-4o", "standin/gpt-4o"]
    assert await ids(here) == expected
    url = f"{here.running.url}/v1beta/models"
    assert [each["name"] for each in (await here.http.get(url)).json()["models"]] == [f"models/{id}" for id in expected]
    for name in ("gpt-4o@v1", "standin/open-weights", "open-weights"):
        assert (await here.http.get(f"{here.base_url}/models/{name}")).json()["id"] == name
        assert (await here.http.get(f"{url}/{name}")).json()["name"] == f"models/{name}"
    assert (await here.http.get(f"{here.base_url}/models/standin/closed")).status_code == 404


async def test_the_providers_own_list(serve: Serve) -> None:
    """What it names is listed as soon as it has answered; nobody waits for it, and its odd names are left out."""
    here = await serve(gateway={"models": ["standin/*"]})
    here.standin.behave("zz-own", ModelBehaviour())
    here.standin.behave("zz odd", ModelBehaviour())
    assert await ids(here) == [here.agent, f"{here.agent}@v1"]
    await once_listed(here, "standin/zz-own")
    assert not [name for name in await ids(here) if " " in name]
    asked = [each for each in here.standin.requests if each.path == "/v1/models"]
    assert len(asked) == 1 and (b"authorization", f"Bearer {PROVIDER_KEY}".encode()) in asked[0].raw_headers


async def test_pages(serve: Serve) -> None:
    """Anthropic's and Gemini's clients read page by page, each as its API has it; OpenAI's has no pages."""
    models = [f"standin/m-{number:02}" for number in range(8)]
    here = await serve(gateway={"models": models})
    everything = [here.agent, f"{here.agent}@v1", *models]
    assert await ids(here, limit=3) == everything
    anthropic = {"anthropic-version": "2023-06-01"}
    url = f"{here.base_url}/models"
    page = (await here.http.get(url, params={"limit": 4}, headers=anthropic)).json()
    assert (page["has_more"], page["last_id"]) == (True, everything[3])
    page = (await here.http.get(url, params={"limit": 9, "after_id": everything[3]}, headers=anthropic)).json()
    assert (page["has_more"], [each["id"] for each in page["data"]]) == (False, everything[4:])
    page = (await here.http.get(url, params={"limit": 2, "before_id": everything[4]}, headers=anthropic)).json()
    assert (page["has_more"], [each["id"] for each in page["data"]]) == (True, everything[2:4])
    found: list[str] = []
    token: str | None = ""
    while token is not None:
        query = {"pageSize": "3", "pageToken": token}
        listed = (await here.http.get(f"{here.running.url}/v1beta/models", params=query)).json()
        found += [each["name"].removeprefix("models/") for each in listed["models"]]
        token = listed.get("nextPageToken")
    assert found == everything
    for query in ({"pageSize": "0"}, {"pageSize": "x"}, {"pageToken": "nobody"}):
        refused = await here.http.get(f"{here.running.url}/v1beta/models", params=query)
        assert (refused.status_code, refused.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def once_listed(here: Place, name: str) -> None:
    """Wait until the list has that name."""
    async with asyncio.timeout(SOON):
        for pause in itertools.repeat(0.01):
            if name in await ids(here):
                return
            await asyncio.sleep(pause)


async def ids(here: Place, **query: object) -> list[str]:
    """The names in OpenAI's list."""
    listed = (await here.http.get(f"{here.base_url}/models", params=query)).json()  # type: ignore[arg-type]
    return [each["id"] for each in listed["data"]]
