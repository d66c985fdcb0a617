"""Google's uploads: begun with a key, the bytes sent to a URL of ours without one, and never past the gateway."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.passthrough.upload_session import UploadSession, seal, unseal
from tests.gateway.api.keys import digest_of
from tests.gateway.api.passed import logged, once
from tests.support.calling import PROVIDER_KEY, Place, standing_in
from tests.support.running import running

Serve = Callable[..., Awaitable[Place]]
START = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
LAST = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
SESSION = UploadSession("a", "google", "https://g:443", "/upload/v1beta/files?upload_id=x", 1000)


async def begin(here: Place, key: str = "a-key", more: str = "", **headers: str) -> httpx2.Response:
    """The start of an upload, as Google's SDK sends it."""
    url = f"{here.running.url}/upload/v1beta/files{more}"
    return await here.http.post(url, json={"file": {}}, headers={"x-goog-api-key": key, **START, **headers})


async def send(here: Place, url: str, data: bytes = b"hello", /, **headers: str) -> httpx2.Response:
    """The bytes, without a key."""
    return await here.http.post(url, content=data, headers={**LAST, **headers})


async def begun(here: Place, key: str = "a-key", more: str = "") -> str:
    """The URL of an upload that has begun."""
    return (await begin(here, key, more)).headers["x-goog-upload-url"]


def keys(here_agents: dict[str, str]) -> dict[str, Any]:
    return {name: {"sha256": digest_of(name), "agents": [agent]} for name, agent in here_agents.items()}


async def test_the_bytes_come_without_a_key(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """They go to Google's account with its key; the URL is ours and holds no key, and no log shows its token."""
    here = await serve(api="gemini")
    url = await begun(here)
    assert url.startswith(f"{here.running.url}/upload/v1beta/files?upload_id=") and PROVIDER_KEY not in url
    sent = await send(here, url)
    assert sent.json()["file"]["sizeBytes"] == "5" and sent.headers["x-goog-upload-status"] == "final"
    received = here.received()
    assert received.path.startswith("/upload/v1beta/files?upload_id=") and received.raw_body == b"hello"
    assert received.header("x-goog-api-key") == PROVIDER_KEY and received.header("x-goog-upload-offset") == "0"
    line = await logged(capfd, "passed")
    assert line["provider"] == "standin-gemini" and line["caller"] == "open"
    assert urlsplit(url).query not in capfd.readouterr().out


async def test_in_pieces_and_with_questions(serve: Serve) -> None:
    """`query` tells how much has come, and the SDK's headers pass both ways."""
    here = await serve(api="gemini")
    url = await begun(here)
    first = await send(here, url, b"ab", **{"x-goog-upload-command": "upload"})
    asked = await send(here, url, b"", **{"x-goog-upload-command": "query"})
    assert first.headers["x-goog-upload-status"] == "active" and asked.headers["x-goog-upload-size-received"] == "2"
    last = await send(here, url, b"cd", **{"x-goog-upload-offset": "2"})
    assert last.json()["file"]["sizeBytes"] == "4"


async def test_at_another_replica(serve: Serve, redis_url: str) -> None:
    """The token is all that a replica needs."""
    here = await serve(api="gemini")
    async with running(here.running.folder, redis_url, {"PROVIDER_KEY": PROVIDER_KEY}) as other:
        there = (await begun(here)).replace(here.running.url, other.url)
        assert (await send(here, there)).json()["file"]["sizeBytes"] == "5"


async def test_a_token_that_opens_nothing(serve: Serve) -> None:
    """Changed, made up, or none of this installation's: 404 and an end, and the provider is not asked."""
    here = await serve(api="gemini")
    url = await begun(here)
    asked = len(here.standin.requests)
    root, _, token = url.partition("upload_id=")
    other = seal(SESSION._replace(caller="open", provider="standin-gemini", ends_at=1 << 40), b"other")
    for bad in ("x", "A" * 20_000, "%00", f"B{token[1:]}", other, "http://169.254.169.254/"):
        refused = await send(here, f"{root}upload_id={bad}")
        assert refused.status_code in (404, 414), refused.text
        if refused.status_code == 404:
            assert refused.headers["x-goog-upload-status"] == "final"
            assert refused.json()["error"]["status"] == "NOT_FOUND"
    assert len(here.standin.requests) == asked


async def test_a_url_is_one_callers(serve: Serve, agent: str) -> None:
    """Another key's holder cannot use it; without a key it stands for who began it, who alone reaches the file."""
    here = await serve(api="gemini", gateway={"keys": keys({"one": agent, "two": agent})})
    url = await begun(here, "one", f"?model={agent}")
    assert (await send(here, url, b"", **{"x-goog-api-key": "two"})).status_code == 404
    assert (await send(here, url, b"", **{"x-goog-api-key": "nobody"})).status_code == 401
    name = (await send(here, url)).json()["file"]["name"]
    for key, status in (("one", 200), ("two", 404)):
        path = f"{here.running.url}/v1beta/{name}?model={agent}"
        assert (await here.http.get(path, headers={"x-goog-api-key": key})).status_code == status


@pytest.mark.parametrize("url", ["http://169.254.169.254/x", "https://127.0.0.1/x", "//x", "http://[", "/x"])
async def test_a_provider_that_leads_elsewhere(serve: Serve, url: str) -> None:
    """A URL that is not of the provider's own origin is nobody's: 502, and no URL."""
    here = await serve(api="gemini")
    answer = f"HTTP/1.1 200 OK\r\nx-goog-upload-url: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    async with standing_in(here, once(answer), "gemini"):
        refused = await begin(here)
    assert refused.status_code == 502 and "x-goog-upload-url" not in refused.headers


async def test_what_is_no_resumable_upload(serve: Serve, agent: str) -> None:
    """Other protocols are a 400 that says the remedy, other paths a 404, a missing key a 401; nothing goes up."""
    here = await serve(api="gemini", gateway={"keys": keys({"one": agent})})
    assert (await begin(here, "one", **{"x-goog-upload-protocol": "raw"})).status_code == 400
    assert (await begin(here, "one", **{"x-goog-upload-command": "start, upload, finalize"})).status_code == 400
    assert (await begin(here, "one", "/../models")).status_code == 404
    assert (await begin(here, "two")).status_code == 401
    assert not here.standin.requests


async def test_the_url_is_as_the_client_knows_us(serve: Serve, agent: str) -> None:
    """Its Host, and https where a proxy says so; a Host that is none gives a path alone."""
    here = await serve(api="gemini", gateway={"keys": keys({"one": agent})})
    start = partial(begin, here, "one", f"?model={agent}")
    for host, proto, root in (
        ("gw.example:8", "https", "https://gw.example:8/"),
        ("gw", "HTTPS , http", "https://gw/"),
        ("gw", "http, https", "http://gw/"),
        ("gw", "x", "http://gw/"),
    ):
        told = (await start(host=host, **{"x-forwarded-proto": proto})).headers["x-goog-upload-url"]
        assert told.startswith(f"{root}upload/v1beta/files?")
    assert (await start(host='a"b@c')).headers["x-goog-upload-url"].startswith("/upload/v1beta/files?")


async def test_an_upload_has_the_limit_of_uploads(serve: Serve) -> None:
    """413 above `limits.upload`, not at `limits.body`."""
    here = await serve(api="gemini", gateway={"limits": {"body": "1MB", "upload": "2MB"}})
    url = await begun(here)
    assert (await send(here, url, b"x" * 2_200_000)).status_code == 413
    assert (await send(here, url, b"x" * 1_500_000)).json()["file"]["sizeBytes"] == "1500000"


@given(st.integers(0, 400), st.integers(1, 255))
def test_no_bit_of_a_token_may_change(at: int, by: int) -> None:
    """Nor its time or its key."""
    token = seal(SESSION, b"key")
    assert unseal(token, 999, b"key") == SESSION
    assert unseal(token, 1000, b"key") is unseal(token, 999, b"else") is None
    at %= len(token)
    changed = token[:at] + chr((ord(token[at]) ^ by) % 128) + token[at + 1 :]
    assert changed == token or unseal(changed, 999, b"key") in (None, SESSION)
    assert json.dumps(token).isascii()
