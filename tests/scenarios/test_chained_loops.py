"""Loops of tools in conversations whose history a provider keeps, over two replicas."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.formats.prompt import FormatName
from gateway.formats.registry import CLIENTS
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.dialects import DIALECTS
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import provider, trial, write

# How each format continues an answer.
CONTINUED: dict[FormatName, str] = {
    "openai-responses": "previous_response_id",
    "gemini-interactions": "previous_interaction_id",
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", CONTINUED)
async def test_a_third_equal_call_is_a_loop_at_whichever_replica(
    tmp_path: Path, redis_url: str, agent: str, form: FormatName, stream: bool
) -> None:
    """Each request names the last answer alone, at the other replica than the one before. What was called is heard of
    while the model answers."""
    looking = ModelBehaviour(tool_calls=True, latency_seconds=0.3)
    async with provider(good=looking, bad=looking) as standin:
        files: dict[str, Any] = trial(agent, standin, "50%")
        files["gateway.yaml"]["providers"]["standin"]["api"] = form
        folder, environ = write(tmp_path / "config", files), {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one, serving(folder, environ, "two") as two:
            asked = DIALECTS[form].ask(agent, "hello", stream)
            before, shown = "", []
            for turn in range(4):
                continued = {CONTINUED[form]: before} if before else {}
                before = await _ask((one, two)[turn % 2], form, {**asked, **continued}, agent)
                shown.append(await _shown(one, two, agent, turn + 1))
    assert shown == [0, 0, 1, 1]


async def _ask(served: Served, form: FormatName, asked: dict[str, Any], agent: str) -> str:
    """Return the id of the answer."""
    url = served.url + DIALECTS[form].path(agent, bool(asked.get("stream")))
    async with httpx2.AsyncClient(timeout=30) as client:
        response = await client.post(url, json=asked)
    assert response.status_code == 200, response.text
    return CLIENTS[form].facts.answer_id(response.content)


async def _shown(one: Served, two: Served, agent: str, calls: int) -> int:
    """Return how many loops are counted, once all calls are."""
    found: list[int] = []

    async def are_booked() -> bool:
        views = (await one.status()).agents[agent].versions.values()
        found[:] = [sum(view.behaviours.get("tool_loops", 0) for view in views)]
        return sum(view.requests for view in views) == calls

    await until(are_booked)
    return found[0]
