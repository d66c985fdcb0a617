"""Refused credentials are logged: who tried and where, never what was tried, and a flood leaves few lines."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gateway import logs
from gateway.api.refusal_log import MOST_AT_ONCE, RefusalLog
from gateway.errors import Forbidden, NotFound, SerinusError, Unauthenticated
from tests.support.crowd import ask
from tests.support.running import running, write

SCOPE: dict[str, Any] = {"method": "POST", "path": "/v1/x", "client": ("10.0.0.7", 1234)}
KEY = {b"authorization": b"Bearer planted"}


def lines(capfdbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines() if line.startswith(b"{")]
    return [line for line in found if line["event"] == "refused"]


def test_a_flood_leaves_few_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Ten at once, then one a second, which says how many were left out."""
    log, clock = logs.configure(), [0.0]
    refusals = RefusalLog(log, lambda: clock[0])
    for number in range(100_000):
        clock[0] = number / 10_000
        refusals.note(Unauthenticated("no"), SCOPE, KEY)
    log.info("stopped")
    found = lines(capfdbinary)
    assert MOST_AT_ONCE + 9 <= len(found) <= MOST_AT_ONCE + 10
    assert sum(line["unlogged"] for line in found) > 80_000


@pytest.mark.parametrize(
    ("error", "headers", "is_logged"),
    [
        (Unauthenticated("no"), KEY, True),
        (Unauthenticated("no"), {b"x-api-key": b"planted"}, True),
        (Unauthenticated("no"), {b"x-serinus-signature": b"v1=0"}, True),
        (Unauthenticated("no"), {}, False),
        (Unauthenticated("no"), {b"authorization": b""}, False),
        (Forbidden("no", code="host_not_allowed"), {}, True),
        (Forbidden("no", code="origin_not_allowed"), {}, True),
        (Forbidden("no"), KEY, False),
        (NotFound("no"), KEY, False),
    ],
)
def test_what_is_logged(
    error: SerinusError, headers: dict[bytes, bytes], is_logged: bool, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What was sent and is wrong, and pages; not who forgot a key, nor what a right key may not do."""
    log = logs.configure()
    RefusalLog(log, lambda: 0.0).note(error, SCOPE, headers)
    log.info("stopped")
    assert len(lines(capfdbinary)) == is_logged


async def test_over_sockets(
    tmp_path: Path, redis_url: str, agent: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A key, an admin token and a signature, each with the client's address; nothing of what was sent."""
    files = {
        "gateway.yaml": {
            "providers": {"p": {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}},
            "keys": {"app": {"sha256": hashlib.sha256(b"right").hexdigest()}},
        },
        "routing.yaml": {"agents": {agent: {"stable": "v1"}}},
        f"agents/{agent}/v1.yaml": {"model": "p/m"},
    }
    paths = ["/v1/messages", "/status.json", f"/admin/agents/{agent}/pause", "/v1/escalations/x/reply"]
    planted = ("authorization: Bearer planted-8d1f", "x-serinus-signature: planted-8d1f")
    async with running(write(tmp_path, files), redis_url) as served:
        replies = [await ask(served.url, "POST", path, b"{}", planted) for path in paths]
    assert [reply.status for reply in replies] == [401, 404, 401, 401]
    raw = capfdbinary.readouterr().out
    found = [json.loads(line) for line in raw.splitlines() if b'"event":"refused"' in line]
    assert [line["path"] for line in found] == [paths[0], *paths[2:]]
    assert {line["client"] for line in found} == {"127.0.0.1"} and b"planted-8d1f" not in raw
