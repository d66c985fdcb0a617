"""Applications on Node, with OpenAI's and Vercel's SDKs: they too change a base URL, and nothing else."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.calling import Place
from tests.support.clients import SAID, SCRIPTS, found_by

Serve = Callable[..., Awaitable[Place]]


async def test_openai(serve: Serve) -> None:
    """Chats, streams, its loop of tool calls, responses; and what is passed through: forms, files, bytes."""
    found = await found_by(["node", SCRIPTS / "node" / "with_openai.mjs"], await serve())
    assert (found["text"], found["streamed"], found["usage"], found["looked"]) == (SAID, SAID, 8, 1)
    assert found["responses"] == [SAID, SAID]
    assert (found["heard"], found["speech"], found["file"], found["embedding"]) == (SAID, "ID3", [5000, True], 4)
    assert found["error"] == "NotFoundError model_not_found"


@pytest.mark.parametrize("api", ["openai", "openai-responses", "anthropic", "gemini"])
async def test_vercel(serve: Serve, api: str) -> None:
    """Each of the formats that it speaks, before a provider of any: text, stream, usage, a loop over a tool."""
    found = await found_by(["node", SCRIPTS / "node" / "with_vercel.mjs"], await serve(api=api))
    for client in ("chat", "responses", "messages"):
        heard = found[client]
        assert (heard["text"], heard["streamed"], heard["finish"]) == (SAID, SAID, "stop"), client
        assert heard["second"] == SAID, client
        assert (heard["usage"], heard["streamed_usage"], heard["looked"], heard["steps"]) == (8, 8, 1, 2), client
    assert found["error"] == [True, 404, "model_not_found"]
