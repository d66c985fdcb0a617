"""Behaviours on every way that a call may take, in every format of clients, whole and streamed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.status_view import VersionView
from tests.support.calling import PROVIDERS, SOON
from tests.support.crossing import FORMATS, HEADERS
from tests.support.dialects import DIALECTS
from tests.support.running import Running, running, write

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUT_OFF = ModelBehaviour(slip="truncated", output_tokens=5)
FAILING = ModelBehaviour(error_rate=1.0)
LATE = ModelBehaviour(slip="truncated", output_tokens=5, latency_seconds=0.3)
NEVER = ModelBehaviour(latency_seconds=8.0)
DRIPPING = ModelBehaviour(slip="truncated", output_tokens=5, chunks=40, chunk_seconds=0.1)
FINE = ModelBehaviour(output_tokens=5)


@dataclass(frozen=True, slots=True)
class Way:
    """A way of calls: the agent's routing, how its own model and the next one behave, and what its calls show."""

    routing: Mapping[str, Any]
    first: ModelBehaviour
    second: ModelBehaviour = FINE
    shown: Mapping[str, int] = field(default_factory=dict)
    of_copies: Mapping[str, int] = field(default_factory=dict)
    hedges_won: int = 0


BACKUP = {"fallback": ["{backup}"]}
HEDGE = {"hedge": {"after": "60ms", "budget": "50%"}}
# Of two calls, one of which is streamed.
WAYS: Mapping[str, Way] = {
    "own answer": Way(BACKUP, CUT_OFF, FINE, {"truncated": 2}),
    "answer of a fallback": Way(BACKUP, FAILING, CUT_OFF),
    "person": Way({"fallback": ["human"]}, FAILING, shown={"handovers": 2}),
    "copy": Way({"shadow": {"version": "v2", "sample": "100%"}}, FINE, CUT_OFF, {}, {"truncated": 2}),
    "copy of what is cut off": Way({"shadow": {"version": "v2", "sample": "100%"}}, CUT_OFF, FINE, {"truncated": 2}),
    "answer of a hedge": Way({**BACKUP, **HEDGE}, NEVER, CUT_OFF, hedges_won=2),
    "own answer beside a hedge": Way({**BACKUP, **HEDGE}, LATE, NEVER, {"truncated": 2}),
}


def name_of(way: str, form: FormatName) -> str:
    return f"{way.replace(' ', '-')}-{form}"


@dataclass(frozen=True, slots=True)
class Place:
    """The gateway, its provider, and a client."""

    running: Running
    standin: Standin
    http: httpx2.AsyncClient

    async def call(
        self, form: FormatName, name: str, asked: Mapping[str, Any], stream: bool = False
    ) -> httpx2.Response:
        return await self.http.post(self.url(form, name, stream), json=asked, headers=HEADERS)

    def url(self, form: FormatName, name: str, stream: bool) -> str:
        return self.running.url + DIALECTS[form].path(name, stream)

    async def books(self, name: str, requests: int, version: str = "v1") -> VersionView:
        """What is booked on a version once that many calls, or copies, are."""
        services = self.running.gateway.services
        async with asyncio.timeout(SOON):
            while True:
                services.proxy.recorder.flush_requests.ask(name)
                view = (await services.status.agents([name]))[name].versions[version]
                if (view.requests if version == "v1" else view.shadow.requests if view.shadow else 0) >= requests:
                    return view
                await asyncio.sleep(0.01)


def files(standin: Standin) -> dict[str, object]:
    bases = {form: standin.root_url + ("/v1beta" if form.startswith("gemini") else "/v1") for form in FORMATS}
    agents: dict[str, object] = {}
    versions: dict[str, object] = {}
    for way in (*WAYS, "left", "tools"):
        for form in FORMATS:
            name, provider = name_of(way, form), PROVIDERS[form]
            routing = WAYS[way].routing if way in WAYS else BACKUP
            written = [each.format(backup=f"{provider}/{name}-backup") for each in routing.get("fallback", ())]
            agents[name] = {"stable": "v1", **routing, **({"fallback": written} if written else {})}
            versions[f"agents/{name}/v1.yaml"] = {"model": f"{provider}/{name}"}
            if "shadow" in routing:
                versions[f"agents/{name}/v2.yaml"] = {"model": f"{provider}/{name}-backup"}
    return {
        "gateway.yaml": {
            "providers": {PROVIDERS[form]: {"api": form, "base_url": bases[form]} for form in FORMATS},
            "retries": {"per_target": 0},
            "escalation": {"desk": True},
        },
        "routing.yaml": {"agents": agents},
        **versions,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Place]:
    """A gateway with an agent for each way and format."""
    standin = Standin()
    await standin.start()
    try:
        folder = write(tmp_path_factory.mktemp("ways"), files(standin))
        async with running(folder, redis_url) as gateway, httpx2.AsyncClient(timeout=20) as http:
            yield Place(gateway, standin, http)
    finally:
        await standin.stop()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_shown_is_the_versions_own(place: Place, way: str, form: FormatName) -> None:
    """A fallback's answer and a hedge's say nothing of it, a copy's is its own version's, a person's is a handover."""
    name, expected = name_of(way, form), WAYS[way]
    place.standin.behave(name, expected.first)
    place.standin.behave(f"{name}-backup", expected.second)
    for stream in (False, True):
        answer = await place.call(form, name, DIALECTS[form].ask(name, f"hello {stream}", stream), stream)
        assert answer.status_code == 200, answer.text
    books = await place.books(name, 2)
    assert (books.behaviours, books.hedges_won) == (expected.shown, expected.hedges_won)
    assert books.hedges == (2 if "hedge" in expected.routing else 0)
    if "shadow" in expected.routing:
        copies = (await place.books(name, 2, "v2")).shadow
        assert copies is not None and copies.behaviours == expected.of_copies


@pytest.mark.parametrize("form", FORMATS)
async def test_a_stream_that_is_left_shows_nothing_of_its_answer(place: Place, form: FormatName) -> None:
    """But what its request brought was there before: a tool that has failed."""
    name = name_of("left", form)
    failed = await _with_failed_tool(place, form, name)
    place.standin.behave(name, DRIPPING)
    for asked in (DIALECTS[form].ask(name, "hello", True), failed):
        url = place.url(form, name, True)
        async with place.http.stream("POST", url, json={**asked, **_streamed(form)}, headers=HEADERS) as answer:
            async for _ in answer.aiter_raw():
                break
    books = await place.books(name, 3)
    assert books.behaviours == {"tool_errors": 1}


@pytest.mark.parametrize("form", FORMATS)
async def test_a_tools_error_counts_whoever_answers_and_a_loop_once(place: Place, form: FormatName) -> None:
    """A result that says so, although the version fails then; the third equal call, whole or streamed."""
    name = name_of("tools", form)
    asked = await _with_failed_tool(place, form, name)
    place.standin.behave(name, FAILING)
    assert (await place.call(form, name, asked)).status_code == 200
    assert (await place.books(name, 2)).behaviours == {"tool_errors": 1}
    place.standin.behave(name, FINE)
    looped = _calling(form, name)
    for _ in range(2):
        looped = _again(form, name, looped, (await place.call(form, name, looped)).json())
    for stream in (False, True):
        answer = await place.call(form, name, {**looped, **(_streamed(form) if stream else {})}, stream)
        assert answer.status_code == 200, answer.text
    books = await place.books(name, 6)
    assert books.behaviours == {"tool_errors": 1, "tool_loops": 2}


def _streamed(form: FormatName) -> dict[str, Any]:
    return {} if form == "gemini" else {"stream": True}


def _calling(form: FormatName, name: str) -> dict[str, Any]:
    """A request that makes the model call its tool."""
    return DIALECTS[form].ask(name, "call look_up", False)


def _again(form: FormatName, name: str, asked: dict[str, Any], answer: Any) -> dict[str, Any]:
    """The next request: the answer, its tool's result, and the same question once more."""
    following = DIALECTS[form].after(asked, answer)
    member = next(each for each in ("contents", "messages", "input") if each in following)
    return {**following, member: [*following[member], _calling(form, name)[member][-1]]}


async def _with_failed_tool(place: Place, form: FormatName, name: str) -> dict[str, Any]:
    """A request that brings the result of a tool that has failed, after the call that asked for it."""
    place.standin.behave(name, FINE)
    asked = _calling(form, name)
    answer = (await place.call(form, name, asked)).json()
    failed: dict[str, Any] = _failed(DIALECTS[form].after(asked, answer))
    return failed


def _failed(value: Any) -> Any:
    """The same, where each result of a tool says that it failed, in its format's way."""
    if isinstance(value, list):
        return [_failed(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "tool_result":
        return {**value, "is_error": True}
    if value.get("role") == "tool":
        return {**value, "content": "Error: gone"}
    if value.get("type") == "function_call_output":
        return {**value, "output": "Error: gone"}
    if value.get("type") == "function_result":
        return {**value, "is_error": True}
    if "functionResponse" in value:
        return {"functionResponse": {**value["functionResponse"], "response": {"error": "gone"}}}
    return {name: _failed(each) for name, each in value.items()}
