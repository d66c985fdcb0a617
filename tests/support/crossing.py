"""One gateway for a whole module of tests, before one stand-in provider that is spoken to in every wire format.

A test that looks into books calls an agent of its own, whose models have its name: no other test is seen there.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import Counts, ModelBehaviour, Standin
from gateway.rollout.status_view import VersionView
from tests.support.calling import PLAIN, PROVIDER_KEY, PROVIDERS, SOON
from tests.support.dialects import DIALECTS
from tests.support.running import Running, running, write

FORMATS: tuple[FormatName, ...] = ("openai", "openai-responses", "anthropic", "gemini", "gemini-interactions")
HEADERS = {"authorization": "Bearer a-key", "anthropic-version": "2023-06-01"}
INPUT_USD, OUTPUT_USD = 1.0, 2.0  # per million tokens, of every model here
# Small enough to wait for; the answers of a stand-in take a few milliseconds.
BRIEF = {"answer": "400ms", "first_token": "400ms", "between_chunks": "400ms", "total": "8s"}


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent whose version was written for a provider of format `first`; `second` is the next target's, if any.

    With `nowhere` nobody listens where its first provider should be. `version` has further fields of its file.
    """

    name: str
    first: FormatName
    second: FormatName | None = None
    nowhere: bool = False
    version: Mapping[str, Any] | None = None

    @property
    def target(self) -> str:
        return f"{'nowhere-' if self.nowhere else ''}{PROVIDERS[self.first]}/{self.name}"

    @property
    def backup(self) -> str:
        return f"{self.name}-backup"

    @property
    def chain(self) -> list[str]:
        return [] if self.second is None else [f"{PROVIDERS[self.second]}/{self.backup}"]

    def files(self) -> dict[str, object]:
        return {f"agents/{self.name}/v1.yaml": {"model": self.target, **(self.version or {})}}


@dataclass(frozen=True, slots=True)
class Crossing:
    """The gateway, its agents' provider, and a client."""

    running: Running
    standin: Standin
    http: httpx2.AsyncClient

    async def call(self, client: FormatName, agent: str, asked: Mapping[str, Any], stream: bool) -> httpx2.Response:
        """What a client of that format gets. Raises httpx2.RemoteProtocolError where the answer breaks off."""
        return await self.http.post(self.url(client, agent, stream), json=asked, headers=HEADERS)

    async def until_broken(self, client: FormatName, agent: str, asked: Mapping[str, Any]) -> bytes:
        """What of a stream comes in before its connection is aborted. Raises AssertionError where it is not."""
        parts: list[bytes] = []
        url = self.url(client, agent, True)
        try:
            async with self.http.stream("POST", url, json=asked, headers=HEADERS) as answer:
                assert answer.status_code == 200
                async for chunk in answer.aiter_raw():
                    parts.append(chunk)
        except httpx2.RemoteProtocolError:
            return b"".join(parts)
        raise AssertionError("the stream ended like a whole one")

    def url(self, client: FormatName, agent: str, stream: bool) -> str:
        return self.running.url + DIALECTS[client].path(agent, stream)

    def behave(self, model: str, behaviour: ModelBehaviour) -> None:
        self.standin.behave(model, behaviour)

    def received(self) -> Any:
        """The body of the last request that reached the provider."""
        return json.loads(self.raw())

    def raw(self) -> str:
        """That body as text."""
        return list(self.standin.requests)[-1].body

    async def books(self, agent: str, requests: int = 1) -> VersionView:
        """What is booked on the agent's version, once that many calls are."""
        services = self.running.gateway.services
        async with asyncio.timeout(SOON):
            while True:
                services.proxy.recorder.flush_requests.ask(agent)
                books = (await services.status.agents([agent]))[agent].versions["v1"]
                if books.requests >= requests:
                    return books
                await asyncio.sleep(0.01)


def charged(counts: Counts) -> float:
    """What a model's provider charges for its calls, in USD."""
    return (counts.prompt_tokens * INPUT_USD + counts.completion_tokens * OUTPUT_USD) / 1e6


def events(body: bytes) -> list[Any]:
    """The data of a stream's events, parsed; `[DONE]` as it is."""
    lines = (line.removeprefix("data:").strip() for line in body.decode().split("\n") if line.startswith("data:"))
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


@asynccontextmanager
async def crossing(folder: Path, redis_url: str, agents: Iterable[Agent]) -> AsyncIterator[Crossing]:
    """Serve those agents."""
    standin = Standin(api_key=PROVIDER_KEY)
    await standin.start()
    try:
        write(folder, _files(list(agents), standin))
        environ = {"PROVIDER_KEY": PROVIDER_KEY}
        async with running(folder, redis_url, environ) as gateway, httpx2.AsyncClient(timeout=20, verify=PLAIN) as http:
            yield Crossing(gateway, standin, http)
    finally:
        await standin.stop()


def _files(agents: list[Agent], standin: Standin) -> dict[str, object]:
    targets = [target for agent in agents for target in (agent.target, *agent.chain)]
    prices = [{"target": each, "from": "2020-01-01", "input": INPUT_USD, "output": OUTPUT_USD} for each in targets]
    files: dict[str, object] = {
        "gateway.yaml": {
            "providers": {**_providers("", standin.root_url), **_providers("nowhere-", "http://127.0.0.1:9")},
            "retries": {"per_target": 0},
            "timeouts": BRIEF,
            "prices": prices,
        },
        "routing.yaml": {"agents": {each.name: {"stable": "v1", "fallback": each.chain} for each in agents}},
    }
    return files | {name: content for agent in agents for name, content in agent.files().items()}


def _providers(prefix: str, root_url: str) -> dict[str, object]:
    bases = {api: root_url + ("/v1beta" if api.startswith("gemini") else "/v1") for api in PROVIDERS}
    return {
        prefix + name: {"api": api, "base_url": bases[api], "api_key": "${PROVIDER_KEY}"}
        for api, name in PROVIDERS.items()
    }
