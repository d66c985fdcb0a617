"""What is refused is logged and counted: who asked and why, never what was sent, and a flood leaves few lines."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from gateway import logs
from gateway.api.refusal_log import MOST_AT_ONCE, RefusalLog
from gateway.errors import CallerError, Overloaded, Unauthenticated, UnknownModel
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
        refusals.note(Unauthenticated("no"), SCOPE, KEY, f"{number:x}")
    log.info("stopped")
    found = lines(capfdbinary)
    assert MOST_AT_ONCE + 9 <= len(found) <= MOST_AT_ONCE + 10
    assert sum(line["unlogged"] for line in found) > 80_000
    assert refusals.counts == {"401 invalid_api_key": 100_000}


def test_one_kind_hides_no_other(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A client that is refused thousands of times leaves room for a key that is guessed, and for other errors."""
    log = logs.configure()
    refusals = RefusalLog(log, lambda: 0.0)
    for _ in range(1000):
        refusals.note(CallerError("no"), SCOPE, {}, "x")
    refusals.note(Unauthenticated("no"), SCOPE, KEY, "y")
    refusals.note(Overloaded("no"), SCOPE, {}, "z")
    log.info("stopped")
    assert [line["id"] for line in lines(capfdbinary)][MOST_AT_ONCE:] == ["y", "z"]


def test_counts_are_bounded() -> None:
    """However many codes there were, a scrape stays small."""
    refusals = RefusalLog(logs.to(io.BytesIO()), lambda: 0.0)
    for number in range(1000):
        refusals.note(CallerError("no", code=f"c{number}"), SCOPE, {}, "x")
    assert len(refusals.counts) <= 101 and sum(refusals.counts.values()) == 1000


def test_a_quotation_is_no_part_of_the_message(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A parameter's name stays, and so does a model that is not known; a value of the request does not."""
    log = logs.configure()
    refusals = RefusalLog(log, lambda: 0.0)
    refusals.note(CallerError("'max_tokens' is no number: 'Secret 7'", param="max_tokens"), SCOPE, {}, "x")
    refusals.note(UnknownModel("the model 'gpt-9' does not exist"), SCOPE, {}, "y")
    log.info("stopped")
    first, second = lines(capfdbinary)
    assert (first["message"], first["param"]) == ("'max_tokens' is no number: '…'", "max_tokens")
    assert "'gpt-9'" in second["message"]


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
    assert [line["path"] for line in found] == paths
    assert [reply.headers["x-serinus-call-id"] for reply in replies] == [line["id"] for line in found]
    assert {line["client"] for line in found} == {"127.0.0.1"} and b"planted-8d1f" not in raw
