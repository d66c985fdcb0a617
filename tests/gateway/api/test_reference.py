"""`/openapi.json` and `/docs`: what they say is what the gateway answers, path by path."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.routing import Route

from gateway.formats.registry import CLIENTS
from gateway.openapi.document import document, operations
from gateway.openapi.operation import Operation
from gateway.replica.routes import routes
from tests.gateway.api.keys import ADMIN, BEARER, KEY, digest_of
from tests.support.crowd import Reply, ask
from tests.support.running import Running, provider, running, trial, write

pytestmark = [pytest.mark.redis, pytest.mark.socket]
DOCUMENT = document()
OPERATIONS = operations()
READING = [each for each in OPERATIONS if each.method == "get" and each.access in ("reader", "admin")]
LENIENT = {"/status", "/status/{agent}", "/status/events", "/v1/escalations"}  # their pages take what browsers send
STRICT = [each for each in READING if each.parameters and each.path not in LENIENT]


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    """A gateway with one agent that is reviewed, and one key."""
    async with provider() as standin:
        files = trial(agent, standin, record_content={"sample": "100%"}, review={"sample": "100%"})
        providers = {"standin": {"api": "openai", "base_url": standin.base_url}}
        files["gateway.yaml"] = {
            "providers": providers,
            "keys": {"app": {"sha256": digest_of(KEY), "reviews": [agent]}},
        }
        async with running(write(tmp_path, files), redis_url) as gateway:
            yield gateway


def plain(path: str) -> str:
    """A route's pattern without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def filled(operation: Operation, agent: str) -> str:
    """The path of an operation with something in place of its parameters."""
    path = operation.path.replace("{agent}", agent).replace("{verb}", "pause")
    return re.sub(r"\{[^}]*\}", "something", path)


async def asked(served: Running, operation: Operation, agent: str, query: str = "") -> Reply:
    return await ask(served.url, operation.method.upper(), filled(operation, agent) + query, b"", [ADMIN])


async def test_every_path_is_described_with_its_methods(served: Running, agent: str) -> None:
    """What the routes take and what the document says are the same, path by path and method by method."""
    doors = [(path, side.door.verbs) for side in CLIENTS.values() for path in side.door.paths]
    paths = {f"{path}:{verb}" for path, verbs in doors for verb in verbs} | {path for path, verbs in doors if not verbs}
    paths |= {route.path for route in routes(served.gateway.services) if isinstance(route, Route)}
    assert {plain(path) for path in paths} == {plain(each.path) for each in OPERATIONS}
    for path in {each.path: each for each in OPERATIONS}:
        one = next(each for each in OPERATIONS if each.path == path)
        reply = await ask(served.url, "PROPFIND", filled(one, agent), b"", [BEARER])
        allowed = set(reply.headers.get("allow", "").lower().split(", "))
        assert (path, {each.method for each in OPERATIONS if each.path == path}) == (path, allowed)


@pytest.mark.parametrize("operation", STRICT, ids=lambda each: each.path)
async def test_a_query_takes_the_parameters_that_are_described(
    served: Running, agent: str, operation: Operation
) -> None:
    """An unknown parameter is refused with the list of the known ones, which is the document's."""
    reply = await asked(served, operation, agent, "?odd=1")
    message = orjson.loads(reply.body)["error"]["message"]
    if "known: " in message:
        assert set(message.partition("known: ")[2].split(", ")) == {each.name for each in operation.parameters}
    else:
        assert reply.status in (400, 404), message


async def test_both_are_for_readers_of_the_status(served: Running) -> None:
    """Where keys are configured a stranger learns nothing; a key, the admin token or its password does."""
    for path in ("/openapi.json", "/docs"):
        assert (await ask(served.url, "GET", path)).status == 401
        for key in (BEARER, ADMIN):
            assert (await ask(served.url, "GET", path, b"", [key])).status == 200


async def test_the_document_is_served_as_it_is_made(served: Running) -> None:
    """Every replica of a version gives the same bytes, and nothing of its configuration is in them."""
    reply = await ask(served.url, "GET", "/openapi.json", b"", [BEARER])
    assert reply.headers["content-type"] == "application/json"
    assert orjson.loads(reply.body) == orjson.loads(orjson.dumps(DOCUMENT))


async def test_the_page_needs_nothing_from_elsewhere(served: Running) -> None:
    """The page has every operation, loads files of the gateway alone, and has no script or style within."""
    reply = await ask(served.url, "GET", "/docs", b"", [ADMIN])
    html = reply.body.decode()
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert "http://" not in html and "https://" not in html
    assert "<style" not in html and "style=" not in html and not re.search(r"<script(?! src=)", html)
    for each in OPERATIONS:
        assert f"<code>{each.method.upper()} {each.path}</code>" in html


def test_every_reference_leads_somewhere_and_every_name_is_used_once() -> None:
    """The document hangs together: its references, and the ids that tools make function names of."""
    text = orjson.dumps(DOCUMENT).decode()
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', text)):
        place: Any = DOCUMENT
        for part in reference.split("/"):
            place = place[part]
    ids = re.findall(r'"operationId":"([^"]+)"', text)
    assert len(ids) == len(set(ids)) == len(OPERATIONS)
    described = (each for path in DOCUMENT["paths"].values() for each in path.values())
    schemes = {name for each in described for way in each["security"] for name in way}
    assert schemes == set(DOCUMENT["components"]["securitySchemes"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_an_operation_is_described_whole(operation: Operation) -> None:
    """Each has a sentence, an answer of its own, and a type of content for each body."""
    assert operation.says.endswith(".") and operation.says[0].isupper()
    assert operation.answers and all(answer.says for answer in operation.answers.values())
    assert operation.method not in ("post", "put", "patch") or operation.body
