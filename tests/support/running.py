"""A whole gateway inside the test's event loop, over real sockets, a real Redis and the stand-in provider."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import logs
from gateway.config import load
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.replica.replica import Gateway, Seams, build, new_replica_id
from gateway.store import OpenStore, connect
from tests.support.canaries import ADMIN_TOKEN as ADMIN_TOKEN  # for whoever runs a gateway
from tests.support.canaries import PLANTED, SearchedServer
from tests.support.faulty_store import FaultyStore


@dataclass(slots=True)
class Running:
    """A gateway that serves, over a store that may fail. `folder` is its configuration, `environ` what it was loaded
    with."""

    gateway: Gateway
    store: FaultyStore
    url: str
    folder: Path
    environ: Mapping[str, str]

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def reload(self) -> None:
        """Take the files as they are now. Raises ConfigProblems."""
        self.gateway.apply(load(self.folder, self.environ))


def write(folder: Path, files: Mapping[str, object]) -> Path:
    """Write configuration files, as YAML's subset JSON, or as text where text is given."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def trial(agent: str, standin: Standin, weight: str = "50%", **routing: Any) -> dict[str, object]:
    """A configuration with one agent: v1 on model `good`, v2 on model `bad`, both at the stand-in."""
    entry = {"stable": "v1", "canary": "v2", "weight": weight, **routing}
    return {
        "gateway.yaml": {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}},
        "routing.yaml": {"agents": {agent: entry}},
        f"agents/{agent}/v1.yaml": {"model": "standin/good", "system_prompt": "You are v1."},
        f"agents/{agent}/v2.yaml": {"model": "standin/bad", "system_prompt": "You are v2."},
    }


@asynccontextmanager
async def provider(api_key: str | None = None, /, **behaviours: ModelBehaviour) -> AsyncIterator[Standin]:
    """The stand-in, whose models behave so. It stops listening however the test ends: a socket that a failed test left
    open would fail the next one."""
    standin = Standin(behaviours, api_key=api_key)
    await standin.start()
    try:
        yield standin
    finally:
        await standin.stop()


@asynccontextmanager
async def running(
    folder: Path, redis_url: str, environ: Mapping[str, str] | None = None, seams: Seams | None = None
) -> AsyncIterator[Running]:
    """Serve the folder's configuration on a free port of the loopback."""
    environ = {"SERINUS_ADMIN_TOKEN": ADMIN_TOKEN, **PLANTED, **(environ or {})}
    deployment = load(folder, environ)
    replica = new_replica_id()
    faulty = FaultyStore(connect(redis_url), replica)
    store = OpenStore(faulty, "redis", None)
    gateway = build(deployment, store, replica, logs.configure(), seams=seams)
    await gateway.start()
    server = SearchedServer(gateway.asgi, "127.0.0.1", 0, gateway.limits, drain_seconds=2.0)
    serving = asyncio.create_task(server.serve(handle_signals=False))
    try:
        await server.started.wait()
        yield Running(gateway, faulty, f"http://127.0.0.1:{server.port}", folder, environ)
    finally:
        server.stop()
        await serving
        await gateway.stop()
        gateway.services.log.info("stopped")  # as `serve` does: with it come the lines that waited
