"""What an arm loses of its calls makes the other one look no worse."""

import asyncio
import json
from pathlib import Path
from typing import Any

from gateway.rollout.status_view import AgentView
from tests.support.crowd import Line
from tests.support.running import Running, provider, running, trial, write


async def view(gateway: Running, agent: str) -> AgentView:
    """What the status says once all is flushed."""
    await asyncio.sleep(0.3)
    return (await gateway.gateway.services.status.agents([agent]))[agent]


async def test_a_mistake_that_only_a_translation_finds_is_rejected(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Stable's provider passes it over. The canary's needs another format, so all of the canary's clients fail."""
    async with provider() as standin:
        files: dict[str, Any] = dict(trial(agent, standin, "50%"))
        providers = {
            "standin": {"api": "openai", "base_url": standin.base_url},
            "other": {"api": "anthropic", "base_url": standin.base_url, "api_key": "${OTHER_KEY}"},
        }
        files["gateway.yaml"] = {**files["gateway.yaml"], "providers": providers}
        files[f"agents/{agent}/v2.yaml"] = {"model": "other/good", "max_tokens": 10}
        async with running(write(tmp_path, files), redis_url, {"OTHER_KEY": "key"}) as gateway:
            line = Line(gateway.url)
            body = {"model": agent, "stop": [5], "messages": [{"role": "user", "content": "hi"}]}
            statuses = {"v1": set[int](), "v2": set[int]()}
            for number in range(100):
                headers = (f"x-conversation-id: {number}",)
                reply = await line.ask("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)
                statuses[reply.version].add(reply.status)
            found = await view(gateway, agent)
            line.close()
    assert statuses == {"v1": {200}, "v2": {400}}
    assert found.phase == "rolled_back" and found.reason.startswith("rejection_rate")
