"""An interaction by its id, and a turn that goes on from one, reach the account that keeps it, and its maker alone."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.calling import PROVIDER_KEY, Place, failing
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]
PATH = "/v1beta/interactions"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Two of Google's accounts: agent `first` is served by the one, `second` by the other, `both` by the one with the
    other as its fallback. Keys `a` and `b` may call all three, `c` none of them, `all` whatever there is."""

    here: Place
    one: Standin
    two: Standin

    async def ask(self, key: str, method: str, path: str, **more: Any) -> httpx2.Response:
        url = f"{self.here.running.url}{PATH}{path}"
        return await self.here.http.request(method, url, headers={"x-goog-api-key": key}, **more)

    async def create(self, agent: str, key: str = "a", **more: Any) -> httpx2.Response:
        return await self.ask(key, "POST", "", json={"model": self.name(agent), "input": "hi", **more})

    async def made(self, agent: str, key: str = "a", **more: Any) -> str:
        """The id of a new interaction of that agent."""
        answer = await self.create(agent, key, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def name(self, agent: str) -> str:
        """The agent's name, which no other test uses."""
        return f"{agent}-{self.here.agent}"

    def asked(self) -> int:
        return len(self.one.requests) + len(self.two.requests)


@asynccontextmanager
async def accounts(serve: Serve, api: str = "gemini") -> AsyncIterator[Accounts]:
    here = await serve()
    async with AsyncExitStack() as stack:
        standins = [Standin(api_key=PROVIDER_KEY), Standin(api_key=PROVIDER_KEY)]
        for each in standins:
            await each.start()
            stack.push_async_callback(each.stop)
        providers: dict[str, Any] = {
            name: {"api": api, "base_url": f"{each.root_url}/v1beta", "api_key": "${PROVIDER_KEY}"}
            for name, each in zip(("one", "two"), standins, strict=True)
        }
        providers["standin"] = {"api": "openai", "base_url": standins[0].base_url, "api_key": "${PROVIDER_KEY}"}
        names = {name: f"{name}-{here.agent}" for name in ("first", "second", "both", "chat")}
        google = [names[name] for name in ("first", "second", "both")]
        keys = {"a": google, "b": google, "c": [names["chat"]]}
        models = {"first": "one/good", "second": "two/good", "both": "one/good", "chat": "standin/good"}
        entries = {name: {"stable": "v1"} | ({"fallback": ["two/good"]} if name == "both" else {}) for name in names}
        write(
            here.running.folder,
            {
                "gateway.yaml": {
                    "providers": providers, "retries": {"per_target": 0}, "escalation": {"desk": True},
                    "keys": {key: {**_key(key), "agents": its} for key, its in keys.items()} | {"all": _key("all")},
                },
                "routing.yaml": {"agents": {names[name]: entry for name, entry in entries.items()}},
                **{f"agents/{names[name]}/v1.yaml": {"model": model} for name, model in models.items()},
            },
        )  # fmt: skip
        here.running.reload()
        yield Accounts(here, *standins)


def _key(secret: str) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(secret.encode()).hexdigest()}


@pytest.mark.parametrize("api", ["gemini", "gemini-interactions"])
async def test_an_interaction_by_its_id(serve: Serve, api: str) -> None:
    """Read and deleted where it is, without a word on whose it is; then it is nowhere, in the API's own words."""
    async with accounts(serve, api) as there:
        for agent in ("first", "second"):
            made = await there.made(agent)
            found = await there.ask("a", "GET", f"/{made}?include_input=true")
            assert (found.status_code, found.json()["id"]) == (200, made)
            assert (await there.ask("a", "DELETE", f"/{made}")).status_code == 200
            gone = await there.ask("a", "GET", f"/{made}")
            assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")
        assert any(each.path.endswith("?include_input=true") for each in there.one.requests)


async def test_one_in_the_background_is_cancelled(serve: Serve) -> None:
    """At its owner, though another account is asked first; its first answer is no failure."""
    async with accounts(serve) as there:
        there.two.behave("good", ModelBehaviour(latency_seconds=60))
        made = await there.made("second", background=True)
        assert (await there.ask("a", "GET", f"/{made}")).json()["status"] == "in_progress"
        cancelled = await there.ask("a", "POST", f"/{made}/cancel", json={})
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("stream", [False, True])
async def test_no_other_caller_reaches_it(serve: Serve, stream: bool) -> None:
    """Keys for some agents that share an account: neither by its id, nor as what a turn goes on from."""
    async with accounts(serve) as there:
        answer = await there.create("first", stream=stream)
        first = next(line for line in answer.text.splitlines() if '"id"' in line).removeprefix("data: ")
        made = (json.loads(first).get("interaction") or json.loads(first))["id"]
        asked = there.asked()
        for method, path in (("GET", f"/{made}"), ("DELETE", f"/{made}"), ("POST", f"/{made}/cancel")):
            assert (await there.ask("b", method, path)).status_code == 404
        for name in ("previous_interaction_id", "previousInteractionId"):
            refused = await there.create("first", "b", **{name: made})
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
        assert there.asked() == asked
        assert [(await there.ask(key, "GET", f"/{made}")).status_code for key in ("a", "all")] == [200, 200]


async def test_a_key_without_such_a_provider(serve: Serve) -> None:
    """Nothing is asked of accounts that serve none of the key's agents."""
    async with accounts(serve) as there:
        made = await there.made("first")
        asked = there.asked()
        refused = await there.ask("c", "GET", f"/{made}")
        assert (refused.status_code, there.asked()) == (404, asked)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_goes_on_where_the_last_one_is(serve: Serve, stream: bool) -> None:
    """The target of the chain that has the interaction serves the call; who does not have it has not failed."""
    async with accounts(serve) as there:
        first = await there.made("second")
        answer = await there.create("both", previous_interaction_id=first, stream=stream)
        assert (answer.status_code, answer.headers["x-serinus-target"]) == (200, "two/good")
        sent = json.loads(list(there.two.requests)[-1].raw_body)
        assert (sent["previous_interaction_id"], sent["model"]) == (first, "good")
        status = await there.here.running.gateway.services.status.agents([there.name("both")])
        assert status[there.name("both")].versions["v1"].errors == 0


async def test_a_turn_that_nobody_can_serve(serve: Serve) -> None:
    """Unknown everywhere: the provider's own 404, and no error of the version. Its owner down: the failure."""
    async with accounts(serve) as there:
        unknown = await there.create("both", previous_interaction_id="v1_nobodys")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
        first = await there.made("both")
        there.one.behave("good", failing("status"))
        assert (await there.create("both", previous_interaction_id=first)).status_code >= 500


@pytest.mark.parametrize(("agent", "status"), [("chat", 404), ("first", 404)])
async def test_what_we_wrote_is_stored_nowhere(serve: Serve, agent: str, status: int) -> None:
    """The id of a translated answer is known for ours: the client hears what to send, and no provider is asked."""
    async with accounts(serve) as there:
        made = await there.made("chat", "all")
        asked = there.asked()
        refused = await there.create(agent, "all", previous_interaction_id=made)
        assert refused.status_code == status and "send the whole conversation" in refused.json()["error"]["message"]
        assert (await there.ask("all", "GET", f"/{made}")).status_code == 404
        assert there.asked() == asked


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1_x%2Fcancel", 405), ("GET", "/v1_x%0A", 404), ("GET", "/", 404),
        ("PUT", "/v1_x", 405), ("GET", "/v1_x/cancel", 405), ("POST", "/v1_x", 405), ("GET", "/v1_x/steps", 404),
        ("GET", "", 405),
    ],
)  # fmt: skip
async def test_other_paths(serve: Serve, method: str, path: str, status: int) -> None:
    """No other path reaches a provider, and each is refused in the API's own shape."""
    async with accounts(serve) as there:
        refused = await there.ask("all", method, path)
        assert refused.status_code == status and isinstance(refused.json()["error"]["code"], str)
        assert there.asked() == 0


async def test_a_stream_is_asked_for_again(serve: Serve) -> None:
    """`?stream=true&last_event_id=…` goes on to the owner, without the client's key; its answer comes as it is."""
    async with accounts(serve) as there:
        made = await there.made("second")
        await there.ask("a", "GET", f"/{made}?stream=true&last_event_id=7&key=a&agent={there.name('second')}")
        asked = list(there.two.requests)[-1]
        assert asked.path == f"/v1beta/interactions/{made}?stream=true&last_event_id=7"
