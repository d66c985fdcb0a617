"""Responses over WebSocket at `serinus serve` as a process: real clients, and a drain."""

from pathlib import Path

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.clients import SAID, run_at
from tests.support.processes import configuration, serving
from tests.support.running import provider
from tests.support.websockets import socket


async def test_real_clients(tmp_path: Path, redis_url: str, agent: str) -> None:
    """OpenAI's SDK goes on from a response on its socket; a plain client's pings and close are answered."""
    async with provider() as standin:
        folder = configuration(tmp_path, standin, agent, store=redis_url)
        async with serving(folder, {}) as served:
            found = await run_at("with_websocket.py", served.url, agent)
    assert found["said"] == [SAID, SAID]
    assert found["frames"] == ["response.created", "response.completed", 1000]


async def test_drain(tmp_path: Path, redis_url: str, agent: str) -> None:
    """SIGTERM: the response in work comes whole, then 1012; a socket at rest is told at once; the process ends."""
    async with provider(good=ModelBehaviour(chunks=20, chunk_seconds=0.05)) as standin:
        folder = configuration(tmp_path, standin, agent, store=redis_url)
        async with serving(folder, {}) as served:
            url = f"{served.url}/v1/responses"
            async with socket(url) as resting, socket(url) as busy:
                busy.create(agent, input="hello")
                await busy.event()
                served.process.terminate()
                assert await resting.closed() == 1012
                assert (await busy.response())[-1]["type"] == "response.completed"
                assert await busy.closed() == 1012
                resting.writer.close()
                busy.writer.close()
            assert await served.process.wait() == 0
