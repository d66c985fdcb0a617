"""What the server refuses before any endpoint sees it is told in the dialect of the path."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.calling import Place

Serve = Callable[..., Awaitable[Place]]
LARGE = "content-length: 99999999999"
BAD = "content-length: x"
MANY = "\r\n".join(f"x-{number}: 1" for number in range(300))
GOOGLE, ANTHROPIC = "/v1beta/models/a:generateContent", "/v1/messages"


async def refused(here: Place, path: str, headers: str) -> tuple[int, Any]:
    """Status and body of the answer to such a head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(here.running.url.rpartition(":")[2]))
    writer.write(f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("headers", "status", "anthropic", "google"),
    [
        (LARGE, 413, "request_too_large", "INVALID_ARGUMENT"),
        (BAD, 400, "invalid_request_error", "INVALID_ARGUMENT"),
        (MANY, 431, "invalid_request_error", "INVALID_ARGUMENT"),
    ],
)
async def test_in_the_dialect_of_the_path(serve: Serve, headers: str, status: int, anthropic: str, google: str) -> None:
    """Anthropic's and Google's clients read their own errors; all others, and odd paths, OpenAI's."""
    here = await serve()
    for path in (ANTHROPIC, f"{ANTHROPIC}/batches?beta=true"):
        found, body = await refused(here, path, headers)
        assert (found, body["type"], body["error"]["type"]) == (status, "error", anthropic)
    for path in (GOOGLE, "/upload/v1beta/files"):
        found, body = await refused(here, path, headers)
        assert (found, body["error"]["code"], body["error"]["status"]) == (status, status, google)
    for path in ("/v1/chat/completions", "/v1/responses", "/x"):
        found, body = await refused(here, path, headers)
        assert found == status and body["error"]["type"] == "invalid_request_error"
