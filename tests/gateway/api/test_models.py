"""`/v1/models` shows what may be called."""

import hashlib
from collections.abc import Awaitable, Callable

from tests.gateway.calling import Place

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
