"""A client that leaves before its answer has begun: its provider has the request, and bills it."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.status_view import VersionView
from tests.support.crowd import ask
from tests.support.redis_servers import until
from tests.support.running import Running, provider, running, trial, write

HANGING = ModelBehaviour(error_rate=1, fault="hang")


async def _called(gateway: Running, agent: str, *, stream: bool) -> VersionView:
    """What the status says of stable once somebody has left it without an answer."""
    body = json.dumps({"model": agent, "stream": stream, "messages": [{"role": "user", "content": "word " * 400}]})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await ask(gateway.url, "POST", "/v1/chat/completions", body.encode())

    async def view() -> VersionView:
        await gateway.gateway.services.controller.finish()
        return (await gateway.gateway.services.status.agents([agent]))[agent].versions["v1"]

    async def is_booked() -> bool:
        return (await view()).requests == 1

    await until(is_booked)
    return await view()


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_before_the_answer_is_booked_with_its_prompt(
    tmp_path: Path, redis_url: str, agent: str, stream: bool
) -> None:
    """By an estimate from the size of the request: about 500 tokens; no output, and no error of the version."""
    async with provider(good=HANGING) as standin:
        files = trial(agent, standin)
        files["routing.yaml"] = {"agents": {agent: {"stable": "v1"}}}
        config = {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}}
        price = {"target": "standin/good", "from": "2020-01-01", "input": 1000, "output": 1000}
        files["gateway.yaml"] = {**config, "prices": [price]}
        async with running(write(tmp_path, files), redis_url) as gateway:
            seen = await _called(gateway, agent, stream=stream)
    assert (seen.errors, seen.unjudged, seen.tokens.output) == (0, 1, 0)
    assert 500 <= seen.tokens.input <= 600 and seen.cost_usd == pytest.approx(seen.tokens.input / 1000)
