"""Rules that name a version which was rolled back: they are ignored, and that is said."""

import asyncio
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.support.running import ADMIN_TOKEN, provider, running, trial, write


async def test_explain_names_the_rules_that_no_longer_hold(
    tmp_path: Path, redis_url: str, agent: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the canary is on trial there is nothing to say; after its rollback each rule is shown as it is written."""
    monkeypatch.setenv("SERINUS_ADMIN_TOKEN", ADMIN_TOKEN)
    rules = [{"when": {"user": ["ann", "bo"]}, "use": "v2"}, {"when": {"user": "kim"}, "use": "v1"}]
    async with provider() as standin, running(write(tmp_path, trial(agent, standin, rules=rules)), redis_url) as served:
        await asyncio.to_thread(main, ["explain", agent, "--url", served.url])
        assert "are ignored" not in capsys.readouterr().out
        await asyncio.to_thread(main, ["rollout", "abort", agent, "--reason", "x", "--url", served.url])
        await asyncio.to_thread(main, ["explain", agent, "--url", served.url])
    expected = "Rules towards a version that was rolled back are ignored: user: ann or bo → v2."
    assert expected in capsys.readouterr().out
