"""Requests of Codex's shape at every agent: a patch and its result, over HTTP and on one WebSocket."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from matrix import ROOT, report
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.codex import HEADERS, SOCKET_HEADERS, says, shell_output, turn

ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def words(items: list[Any]) -> str:
    return "".join(part["text"] for item in items if item["type"] == "message" for part in item["content"])


def outputs(items: list[Any]) -> list[Any]:
    """The results of the calls among a response's items."""
    return [shell_output(item) for item in items if item["type"].endswith("_call")]


async def over_http(agent: str) -> dict[str, Any]:
    """Each request carries the whole conversation; nothing is stored."""
    client = AsyncOpenAI(base_url=f"{ROOT}/v1", api_key="a-key", max_retries=0)
    history: list[Any] = says("call apply_patch")
    found: list[list[Any]] = []
    for _ in range(2):
        asked: Any = turn(agent, history)
        items: list[Any] = []
        async for event in await client.responses.create(**asked, stream=True, extra_headers=HEADERS):
            if event.type == "response.output_item.done":
                items.append(event.item.model_dump(exclude_none=True))
        found.append(items)
        history = [*history, *items, *outputs(items)]
    return {"http": [item["type"] for item in found[0] if item["type"] != "reasoning"], "after": words(found[1])}


async def over_socket(agent: str) -> dict[str, Any]:
    """A warm-up, then each request with its new items alone."""
    url = ROOT.replace("http", "ws", 1) + "/v1/responses"
    async with connect(url, additional_headers={**SOCKET_HEADERS, "authorization": "Bearer a-key"}) as socket:

        async def ask(given: list[Any], **more: Any) -> Any:
            await socket.send(json.dumps({"type": "response.create", **turn(agent, given), **more}))
            while (event := json.loads(await socket.recv()))["type"] not in ENDS:
                pass
            assert event["type"] == "response.completed", event
            return event["response"]

        warm = await ask(says("call apply_patch"), generate=False)
        first = await ask([], previous_response_id=warm["id"])
        last = await ask(outputs(first["output"]), previous_response_id=first["id"])
    called = [item["type"] for item in first["output"] if item["type"] != "reasoning"]
    return {"socket": called, "socket_after": words(last["output"])}


async def both(agent: str) -> dict[str, Any]:
    return {**await over_http(agent), **await over_socket(agent)}


report(lambda agent: asyncio.run(both(agent)))
