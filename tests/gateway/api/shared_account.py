"""Two keys for some agents that share one account at a provider, and one key for all agents."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.calling import Place
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]


@asynccontextmanager
async def sharing(
    serve: Serve, api: str = "openai", keys: Sequence[str] = ("a", "b", "all")
) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """What asks with one of the keys `a` and `b`, which share an account, or with `all`, which is for all agents."""
    here = await serve(api=api)
    entries = {name: key_of(name, [here.agent]) for name in keys}
    if "all" in entries:
        del entries["all"]["agents"]
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    write(here.running.folder, {"gateway.yaml": {**settings, "keys": entries}})
    here.running.reload()

    async def ask(key: str, method: str, path: str, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
        base = here.running.url if path.startswith("/v1beta") else here.base_url
        url = f"{base}{path}{'&' if '?' in path else '?'}model={here.agent}"
        return await here.http.request(method, url, headers=headers, **more)

    ask.here = here  # type: ignore[attr-defined]
    yield ask


def key_of(secret: str, agents: list[str]) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(secret.encode()).hexdigest(), "agents": agents}
