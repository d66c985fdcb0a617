"""A gateway without keys and the web: pages of other sites neither read nor write, whatever endpoint they try."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.routing import Route

from gateway.rehearsal.standin import Standin
from gateway.replica.routes import routes
from tests.gateway.api.keys import ADMIN, BEARER, KEY, OPEN, digest_of
from tests.support.crowd import Reply, ask
from tests.support.running import Running, running, trial, write

PAGE = ("origin: https://app.example",)
FOREIGN = [
    ("host: evil.example:8080",),
    ("host: evil.example", "origin: http://evil.example", "content-type: text/plain"),
    ("origin: https://evil.example", "content-type: text/plain"),
    ("sec-fetch-site: cross-site", "sec-fetch-mode: no-cors", "sec-fetch-dest: image"),
    ("origin: null", "sec-fetch-site: cross-site"),
    ("origin: http://localhost:3000", "sec-fetch-site: same-site"),
]
IDS = ["rebinding", "rebound POST", "text/plain", "image", "sandbox", "another port"]


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    standin = Standin()
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def open_gateway(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> AsyncIterator[Running]:
    """A developer's gateway: no keys, one origin and one further host allowed."""
    files = trial(agent, standin, weight="0%")
    provider = {"api": "openai", "base_url": standin.base_url}
    files["gateway.yaml"] = {
        "providers": {"standin": provider}, "cors": ["https://app.example"], "hosts": ["host.docker.internal"],
    }  # fmt: skip
    async with running(write(tmp_path, files), redis_url) as served:
        yield served


async def send(served: Running, method: str, path: str, *headers: str, body: bytes = b"{}") -> Reply:
    """One request; a `host` among the headers takes the place of the usual one."""
    return await ask(served.url, method, path, body, headers)


def chat(agent: str) -> bytes:
    return json.dumps({"model": agent, "messages": [{"role": "user", "content": "hello"}]}).encode()


@pytest.mark.parametrize("headers", FOREIGN, ids=IDS)
async def test_a_foreign_page_gets_nothing(
    open_gateway: Running, standin: Standin, agent: str, headers: tuple[str, ...]
) -> None:
    """Whatever it asks for, it is refused, and the provider hears of nothing."""
    paths = {route.path for route in routes(open_gateway.gateway.services) if isinstance(route, Route)} - OPEN
    paths |= {"/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/files?model=" + agent}
    for path in paths:
        path = path.replace("{agent}", agent).replace("{model:path}", f"{agent}:generateContent")
        for method in ("GET", "POST", "DELETE"):
            reply = await send(open_gateway, method, path, *headers, body=chat(agent))
            assert reply.status in (401, 403, 405), (method, path)
    assert not standin.requests


async def test_programs_go_on(open_gateway: Running, agent: str) -> None:
    """curl, SDKs, a port map and a container see no difference."""
    for host in ("localhost", "127.0.0.1:9999", "[::1]:8080", "LOCALHOST.:8080", "host.docker.internal:8080"):
        reply = await send(open_gateway, "POST", "/v1/chat/completions", f"host: {host}", body=chat(agent))
        assert reply.status == 200
        assert (await send(open_gateway, "GET", "/status", f"host: {host}")).status == 200


async def test_a_configured_origin_goes_on(open_gateway: Running, agent: str) -> None:
    """Its preflight and its call are answered as ever."""
    asked = ("access-control-request-method: POST", "sec-fetch-site: cross-site", *PAGE)
    assert (await send(open_gateway, "OPTIONS", "/v1/chat/completions", *asked, body=b"")).status == 204
    reply = await send(
        open_gateway, "POST", "/v1/chat/completions", "sec-fetch-site: cross-site", *PAGE, body=chat(agent)
    )
    assert reply.status == 200 and reply.headers["access-control-allow-origin"] == "https://app.example"


async def test_the_status_page_in_a_browser(open_gateway: Running) -> None:
    """Typed, reloaded by itself, or opened by a link in a chat; health is anybody's."""
    typed = ("sec-fetch-site: none", "sec-fetch-mode: navigate", "sec-fetch-dest: document", "accept: text/html")
    linked = ("sec-fetch-site: cross-site", *typed[1:])
    for headers in (typed, linked, ("sec-fetch-site: same-origin", "accept: text/html")):
        assert (await send(open_gateway, "GET", "/status", *headers)).status == 200
    assert (await send(open_gateway, "GET", "/healthz", "host: 10.1.2.3")).status == 200


async def test_the_refusal_names_the_way_out(open_gateway: Running, agent: str) -> None:
    """In the dialect of the endpoint, with the key of the configuration that would allow it."""
    reply = await send(open_gateway, "POST", "/v1/messages", "host: gateway.lan", body=chat(agent))
    error = json.loads(reply.body)
    assert reply.status == 403 and error["type"] == "error" and "'hosts'" in error["error"]["message"]


async def test_with_keys_the_host_does_not_matter(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """A page has no key: containers and balancers call under whatever name they like."""
    files = trial(agent, standin, weight="0%")
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
        "keys": {"web": {"sha256": digest_of(KEY)}},
    }
    async with running(write(tmp_path, files), redis_url) as served:
        path = "/v1/chat/completions"
        assert (await send(served, "POST", path, BEARER, "host: gateway:8080", body=chat(agent))).status == 200
        assert (await send(served, "POST", path, "host: 127.0.0.1", body=chat(agent))).status == 401
        for header, status in ((BEARER, 200), (ADMIN, 200), ("x-none: 1", 401)):
            assert (await send(served, "GET", "/status", header)).status == status
