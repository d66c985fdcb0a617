"""OpenAI's SDK and a plain WebSocket client: responses on one socket, the second going on from the first."""

import asyncio
import json
import sys
from typing import Any

from openai import AsyncOpenAI
from websockets.asyncio.client import connect

ROOT, AGENT = sys.argv[1], sys.argv[2]
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


async def with_sdk() -> list[str]:
    """What the SDK reads of two responses."""
    client = AsyncOpenAI(base_url=f"{ROOT}/v1", api_key="a-key")
    said = []
    async with client.responses.connect() as connection:
        previous: dict[str, Any] = {}
        for words in ("hello", "and then?"):
            await connection.response.create(model=AGENT, store=False, input=words, **previous)
            async for event in connection:
                if event.type in ENDS:
                    break
            assert event.type == "response.completed", event
            said.append(event.response.output_text)
            previous = {"previous_response_id": event.response.id}
    return said


async def with_frames() -> list[Any]:
    """The types of a response's events, and how the socket ends."""
    async with connect(ROOT.replace("http", "ws", 1) + "/v1/responses") as socket:
        await (await socket.ping())
        await socket.send(json.dumps({"type": "response.create", "model": AGENT, "input": "hello"}))
        types = [json.loads(await socket.recv())["type"]]
        while types[-1] not in ENDS:
            types.append(json.loads(await socket.recv())["type"])
        await socket.close()
        return [types[0], types[-1], socket.close_code]


async def main() -> None:
    print(json.dumps({"said": await with_sdk(), "frames": await with_frames()}))


asyncio.run(main())
