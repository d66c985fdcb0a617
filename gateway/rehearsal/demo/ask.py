"""A JSON question over HTTP, to a gateway's `/status` or to the stand-in's controls. No proxy is ever used."""

import asyncio
import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 5.0


class NoAnswer(Exception):
    """No answer came, or one without the expected content."""


async def ask(method: str, url: str, body: object = None, token: str = "") -> Any:
    """The JSON value that comes back with a 2xx. Raises NoAnswer."""
    return await asyncio.to_thread(answer_of, method, url, body, token)


def answer_of(method: str, url: str, body: object = None, token: str = "") -> Any:
    """The same, for a caller that has no event loop."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, parts.path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status // 100 != 2:
            raise NoAnswer(f"{method} {url} was answered with HTTP {answer.status}: {content[:200]!r}")
        return json.loads(content)
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(f"{method} {url}: {error}") from error
    finally:
        connection.close()
