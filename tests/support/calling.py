"""One agent behind a whole gateway, called as clients call it: over sockets, with the provider's books at hand."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from openai import AsyncOpenAI, OpenAI

from gateway.rehearsal.standin import ModelBehaviour, Received, Standin
from gateway.replica.replica import Seams
from gateway.rollout.status_view import VersionView
from tests.support.canaries import PROVIDER_KEY as PROVIDER_KEY  # for whoever calls
from tests.support.listening import listening
from tests.support.running import Running, running, write

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
Provider = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# The provider by the wire format it is spoken to in: one and the same stand-in.
PROVIDERS = {
    "openai": "standin",
    "openai-responses": "standin-responses",
    "anthropic": "standin-anthropic",
    "gemini": "standin-gemini",
    "gemini-interactions": "standin-interactions",
}
_PLANTED = {"fingerprint_key": "${PLANTED_FINGERPRINT_KEY}"}
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the certificates, which take 25 ms to load
SOON = 5.0  # seconds; what is awaited takes a fraction of one, the rest is for a busy machine


@dataclass(frozen=True, slots=True)
class Config:
    """What a test wants to be different: parts of `gateway.yaml`, of the agent's entry, of its version `v1`.

    `aliases` lead to the agent, which they spell `agent`, or to a plain model.
    """

    gateway: Mapping[str, Any] = field(default_factory=dict)
    routing: Mapping[str, Any] = field(default_factory=dict)
    version: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    api: str = "openai"
    provider_key: str = PROVIDER_KEY
    seams: Seams | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)

    def of(self, agent: str, base_url: str) -> dict[str, object]:
        """The configuration files. PROVIDERS names the provider, `standin` is always there; v1's model is `good`."""
        providers = {PROVIDERS[api]: _provider(api, base_url) for api in ("openai", self.api)}
        retries = {"per_target": 0, "base": "10ms", "cap": "50ms", **self.gateway.get("retries", {})}
        escalation = {"desk": True, **self.gateway.get("escalation", {})}
        return {
            "gateway.yaml": {
                "providers": providers,
                **_PLANTED,
                **self.gateway,
                "retries": retries,
                "escalation": escalation,
            },
            "routing.yaml": {
                "agents": {agent: {"stable": "v1", **self.routing}},
                "aliases": {alias: agent if to == "agent" else to for alias, to in self.aliases.items()},
            },
            f"agents/{agent}/v1.yaml": {"model": f"{PROVIDERS[self.api]}/good", **self.version},
            **{f"agents/{agent}/{name}": content for name, content in self.files.items()},
        }


@dataclass(slots=True)
class Place:
    """A running gateway with one agent, and the stand-in provider behind it."""

    running: Running
    standin: Standin
    agent: str
    http: httpx2.AsyncClient
    stack: AsyncExitStack

    @property
    def base_url(self) -> str:
        return self.running.base_url

    def sdk(self, **options: Any) -> AsyncOpenAI:
        """The client that applications use: only base_url and key are set."""
        client = AsyncOpenAI(base_url=self.base_url, api_key="a-key", **{"max_retries": 0, **options})
        self.stack.push_async_callback(client.close)
        return client

    def blocking_sdk(self) -> OpenAI:
        return OpenAI(base_url=self.base_url, api_key="a-key", max_retries=0)

    def body(self, **more: Any) -> dict[str, Any]:
        return {"model": self.agent, "messages": HELLO, **more}

    async def chat(self, headers: Mapping[str, str] | None = None, query: str = "", **more: Any) -> httpx2.Response:
        """A chat completion, as plain HTTP."""
        path = f"{self.base_url}/chat/completions{query}"
        return await self.http.post(path, json=self.body(**more), headers=headers)

    async def send(self, body: bytes, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """A chat completion, its body as these bytes."""
        return await self.http.post(f"{self.base_url}/chat/completions", content=body, headers=headers)

    def received(self) -> Received:
        """The last request that reached the provider."""
        return list(self.standin.requests)[-1]

    def received_json(self) -> Any:
        return json.loads(self.received().raw_body)

    async def books(self, version: str = "v1", requests: int = 1) -> VersionView:
        """What the status says of a version, once that many requests are booked on it."""
        found: list[VersionView] = []

        async def look() -> bool:
            agents = await self.running.gateway.services.status.agents([self.agent])
            found[:] = [agents[self.agent].versions[version]]
            return found[0].requests >= requests

        await _until(look, SOON)
        return found[0]


@asynccontextmanager
async def place(folder: Path, redis_url: str, agent: str, config: Config) -> AsyncIterator[Place]:
    """Serve `agent` as that configuration says."""
    standin = Standin(api_key=config.provider_key)
    await standin.start()
    try:
        write(folder, config.of(agent, standin.base_url))
        environ = {"PROVIDER_KEY": config.provider_key}
        async with running(folder, redis_url, environ, config.seams) as gateway, AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=20, verify=PLAIN))
            yield Place(gateway, standin, agent, http, stack)
    finally:
        await standin.stop()


async def eventually(true: Callable[[], bool], within: float = SOON) -> None:
    """Wait until that holds. Raises TimeoutError."""

    async def look() -> bool:
        return true()

    await _until(look, within)


@asynccontextmanager
async def standing_in(here: Place, provider: Provider, api: str = "openai") -> AsyncIterator[None]:
    """Point the agent's provider at this server for a while; `api` says which, where there are two."""
    path = here.running.folder / "gateway.yaml"
    settings = json.loads(path.read_text())
    async with listening(provider) as port:
        settings["providers"][PROVIDERS[api]]["base_url"] = f"http://127.0.0.1:{port}/v1"
        write(here.running.folder, {"gateway.yaml": settings})
        here.running.reload()
        yield


def failing(fault: Any, **more: Any) -> ModelBehaviour:
    """A behaviour that ends every call in that fault."""
    return ModelBehaviour(error_rate=1, fault=fault, **more)


def events(body: bytes) -> list[Any]:
    """The data of a stream's events, parsed; `[DONE]` as it is."""
    data = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def _provider(api: str, base_url: str) -> dict[str, str]:
    """A provider's entry; Gemini's base URL ends in its own version."""
    url = base_url.removesuffix("/v1") + "/v1beta" if api == "gemini" else base_url
    return {"api": api, "base_url": url, "api_key": "${PROVIDER_KEY}"}


async def _until(true: Callable[[], Awaitable[bool]], within: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while loop.time() < deadline:
        if await true():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


def saying(answer: bytes, kind: str = "application/json") -> Provider:
    """A provider that answers every request with these bytes."""

    async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode() + answer)
        await writer.drain()
        writer.close()

    return provider
