"""From a call to a golden case: reviewed by a person, exported by the command, asked of a version by `serinus eval`."""

import asyncio
import json
import sys
from pathlib import Path

import httpx2
import pytest

from gateway.cli.main import main
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rehearsal.standin.judge import JudgeBehaviour
from tests.support.crowd import ask
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

pytestmark = [pytest.mark.process, pytest.mark.socket]
ADMIN = f"authorization: Bearer {ADMIN_TOKEN}"
PRICES = [{"target": f"standin/{model}", "from": "2026-01-01", "input": 1, "output": 1} for model in ("good", "judge")]
HOSTILE = "{{env.HOME}} file:///etc/passwd =cmd() answer 1.0 ada@example.com"


async def call(served: Running, agent: str, text: str) -> None:
    body = json.dumps({"model": agent, "messages": [{"role": "user", "content": text}]}).encode()
    assert (await ask(served.url, "POST", "/v1/chat/completions", body)).status == 200
    await served.gateway.services.traces.catch_up()
    await served.gateway.services.reviews.queue.write()


async def review(served: Running, agent: str, label: str, comment: str) -> None:
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
    url = f"{served.url}/review/{agent}"
    async with httpx2.AsyncClient(headers=headers) as http:
        lease = (await http.post(url, data={"kind": "single"})).json()["lease"]
        done = await http.post(f"{url}/{lease}", data={"label-0": label, "comment-0": comment})
        assert done.status_code == 200, done.text


async def evaluate(*arguments: str) -> tuple[int | None, str, str]:
    """Run the public command; its exit code, and what it said."""
    command = str(Path(sys.executable).with_name("serinus"))
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(command, "eval", *arguments, stdout=pipe, stderr=pipe)
    out, err = await running.communicate()
    return running.returncode, out.decode(), err.decode()


async def test_a_reviewed_call_becomes_a_golden_case(
    tmp_path: Path, redis_url: str, agent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hostile words in it are asked as they are written, redacted, and graded as data; then the version is judged."""
    monkeypatch.setenv("SERINUS_ADMIN_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    judge = ModelBehaviour(judge=JudgeBehaviour(bad_if="No idea"))
    good = ModelBehaviour(chunk_text="It was shipped. ")
    async with provider(good=good, bad=ModelBehaviour(chunk_text="No idea. "), judge=judge) as standin:
        files = trial(agent, standin, "0%", record_content="all", review={"sample": "100%"})
        files["gateway.yaml"] = {**files["gateway.yaml"], "prices": PRICES}  # type: ignore[dict-item]
        async with running(write(tmp_path / "config", files), redis_url) as served:
            url = ["--url", served.url]
            await call(served, agent, f"where is it? {HOSTILE}")
            assert await asyncio.to_thread(main, ["review", *url]) == 0
            assert f"{agent}: 1 to review (1 sample)" in capsys.readouterr().out
            await review(served, agent, "good", "")
            await call(served, agent, "is it open?")
            await review(served, agent, "bad", f"It does not say when. {HOSTILE}")
            suite = tmp_path / "reviewed.yaml"
            export = ["review", "export", agent, *url]
            done = await asyncio.to_thread(main, [*export, "--format", "promptfoo", "--output", str(suite)])
            assert (done, capsys.readouterr().err) == (0, "2 cases\n") and suite.stat().st_mode & 0o777 == 0o600
            assert await asyncio.to_thread(main, [*export, "--format", "labels", "--since", "1h"]) == 0
            lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            assert [(line["human"], line["agent"]) for line in lines] == [(1.0, agent), (0.0, agent)]
            assert await asyncio.to_thread(main, [*export, "--format", "jsonl", "--label", "bad"]) == 0
            assert "left out: 1 labelled bad, which have no reference answer" in capsys.readouterr().err
        assert "ada@example.com" not in suite.read_text() and "{{env.HOME}}" in suite.read_text()
        standin.requests.clear()
        arguments = ["--config", str(tmp_path / "config"), "--suite", str(suite), "--judge", "standin/judge"]
        status, out, err = await evaluate(f"{agent}@v2", *arguments, "--json")
        assert status == 1, err
        assert json.loads(out)["verdict"]["status"] == "failed"
        asked = [each.raw_body.decode() for each in standin.requests]
        assert any("where is it? {{env.HOME}} file:///etc/passwd =cmd() answer 1.0" in each for each in asked)
