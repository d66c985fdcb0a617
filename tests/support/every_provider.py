"""One gateway with an agent at each provider format, Bedrock's included, for clients that call all in one run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.calling import PROVIDER_KEY
from tests.support.clients import SCRIPTS, printed_by
from tests.support.running import Running, running, write

# A model that each format's provider has, so that limits and habits are those of real ones.
MODELS = {
    "openai": "gpt-5.1",
    "openai-responses": "gpt-5.2",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro",
    "bedrock": "anthropic.claude-sonnet-4-5",
}
_BASES = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "bedrock": ""}


@dataclass(frozen=True, slots=True)
class EveryProvider:
    """The gateway, and the stand-in that is every provider. The agents' names are those of the formats."""

    running: Running
    standin: Standin

    async def found_by(self, script: str) -> dict[str, Any]:
        """What a client's script finds at each agent, by the agent's name."""
        found: dict[str, Any] = await printed_by(SCRIPTS / script, self.running.url, *MODELS)
        return found


@asynccontextmanager
async def every_provider(folder: Path, redis_url: str) -> AsyncIterator[EveryProvider]:
    """Serve the agents. A model that is offered functions calls the first one, until it gets a result."""
    standin = Standin(api_key=PROVIDER_KEY)
    await standin.start()
    try:
        for api, model in MODELS.items():
            standin.behave(model, ModelBehaviour(tool_calls=True, strict=api.startswith("openai"), reasoning_tokens=4))
        async with running(write(folder, _files(standin.root_url)), redis_url, {"KEY": PROVIDER_KEY}) as gateway:
            yield EveryProvider(gateway, standin)
    finally:
        await standin.stop()


def _files(root_url: str) -> dict[str, object]:
    providers: dict[str, dict[str, str]] = {
        f"at-{api}": {"api": api, "base_url": root_url + base, "api_key": "${KEY}"} for api, base in _BASES.items()
    }
    providers["at-bedrock"]["region"] = "eu-central-1"
    versions = {f"agents/{api}/v1.yaml": {"model": f"at-{api}/{model}"} for api, model in MODELS.items()}
    return {
        "gateway.yaml": {"providers": providers, "retries": {"per_target": 0}},
        "routing.yaml": {"agents": {api: {"stable": "v1"} for api in MODELS}},
        **versions,
    }
