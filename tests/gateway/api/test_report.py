"""`GET /report/{agent}` and `serinus report`: one page that needs nothing else, for the operator alone."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.canaries import CLIENT_KEY
from tests.support.crowd import ask
from tests.support.processes import command
from tests.support.running import ADMIN_TOKEN, Running, running, trial, write

KEY = CLIENT_KEY
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    """A gateway with a trial of two prompts, one of which is markup, and a key."""
    standin = Standin({"good": ModelBehaviour(seed=1), "bad": ModelBehaviour(seed=2)})
    await standin.start()
    files: dict[str, Any] = trial(agent, standin)
    files[f"agents/{agent}/v2.yaml"]["system_prompt"] = HOSTILE
    files["gateway.yaml"]["keys"] = {"web": {"sha256": hashlib.sha256(KEY.encode()).hexdigest()}}
    async with running(write(tmp_path, files), redis_url) as served:
        yield served
    await standin.stop()


async def test_a_report_stands_alone(served: Running, agent: str) -> None:
    """With curves, the prompt's difference and costs; without script, address or a text that would be markup."""
    reply = await ask(served.url, "GET", f"/report/{agent}?since=30d", headers=(ADMIN,))
    page = orjson.loads(reply.body)["html"]
    assert reply.status == 200 and page.startswith("<!doctype html>") and "<svg" in page and "<style>" in page
    assert "You are v1." in page and "Costs" in page and 'id="timeline"' in page
    assert HOSTILE not in page and "&lt;script&gt;" in page
    assert not any(
        outside in page for outside in ("<script", "<link", "src=", "http://", "https://", "@import", "url(")
    )


async def test_a_report_is_the_operators(served: Running, agent: str) -> None:
    """A key may read its agents' status, but no prompts and nobody else's costs."""
    headers = (f"authorization: Bearer {KEY}",)
    assert (await ask(served.url, "GET", f"/report/{agent}", headers=headers)).status == 403
    assert (await ask(served.url, "GET", f"/report/{agent}")).status == 401
    assert (await ask(served.url, "GET", "/report/nobody", headers=(ADMIN,))).status == 404
    assert (await ask(served.url, "GET", f"/report/{agent}?since=0s", headers=(ADMIN,))).status == 400


async def test_the_command_writes_a_file(served: Running, agent: str, tmp_path: Path) -> None:
    """Where it is said, or to the output; a place that cannot be written is said."""
    around = {"SERINUS_URL": served.url, "SERINUS_ADMIN_TOKEN": ADMIN_TOKEN}
    path = tmp_path / "out.html"
    done = await command("report", agent, "--out", str(path), **around)
    assert done.code == 0 and str(path) in done.out and path.read_text("utf-8").startswith("<!doctype html>")
    assert (await command("report", agent, "--out", "-", **around)).out.startswith("<!doctype html>")
    refused = await command("report", agent, "--out", str(tmp_path / "no" / "x.html"), **around)
    assert refused.code == 1 and "cannot write" in refused.errors
