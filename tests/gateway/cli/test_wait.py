"""`serinus wait`: until a rollout is somewhere, and what a pipeline learns where it never comes there."""

import argparse
import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from gateway.cli.numbers import time_span
from gateway.cli.wait_options import goals
from tests.support.answers import answering_json, run
from tests.support.views import agent_view, status_view

pytestmark = pytest.mark.socket
RUNNING = agent_view(phase="running", weight=0.05)


def said(**members: Any) -> dict[str, Any]:
    return asdict(status_view(replace(RUNNING, **members)))


async def wait(url: str, goal: str, *more: str) -> int:
    return await run("wait", "support", "--for", goal, "--every", "0.5", "--url", url, *more)


async def test_it_waits_until_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Says what it waits for and what changes, outlives a restart of the gateway, and prints the end."""
    async with answering_json(said(), said(), None, said(phase="completed")) as url:
        assert await wait(url, "completed", "--timeout", "1h") == 0
    out, err = capsys.readouterr()
    first, running, away, completed = err.splitlines()
    assert first == f"waiting for support to be completed, at most 60 min; page: {url}/status/support"
    assert running.startswith("support: running since 2026-01-01 ") and running.endswith("v2 at 5 %, step 1 of 2")
    assert "no gateway answers" in away and away.endswith("; trying again") and "completed" in completed
    assert out == "support: v2 has passed its trial and serves every call, over v1, step 1 of 2.\n"


@pytest.mark.parametrize(
    ("members", "goal", "code"),
    [
        ({"phase": "rolled_back"}, "completed", 4),
        ({"canary": None, "phase": None}, "completed", 4),
        ({"phase": "rolled_back"}, "ended", 0),
        ({"phase": "paused"}, "running,paused", 0),
        ({"waits_for": ("the step waits for an approval",)}, "approval", 0),
        ({}, "completed", 3),
        ({"phase": None}, "rolled-back", 3),
    ],
)
async def test_the_exit_code_says_how_it_ended(members: dict[str, Any], goal: str, code: int) -> None:
    """0 there, 3 the time is up, 4 it cannot come there any more."""
    async with answering_json(said(**members)) as url:
        assert await wait(url, goal, "--timeout", "0.01") == code


async def test_programs_get_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    """At the end, as JSON on standard output alone."""
    async with answering_json(said(phase="completed")) as url:
        assert await wait(url, "completed", "--json") == 0
    assert json.loads(capsys.readouterr().out)["phase"] == "completed"


async def test_what_fails_at_once_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """No gateway there, or one of another version."""
    assert await wait("http://127.0.0.1:1", "completed") == 1
    async with answering_json({"agents": {"support": {}}}) as url:
        assert await wait(url, "completed") == 2
    assert "no gateway answers" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["done", "", "completed,complete"])
def test_a_word_that_never_comes_is_wrong_usage(text: str) -> None:
    """It is named, with those that there are."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not one of pending, running"):
        goals(text)


def test_a_mistyped_word_is_answered_with_what_was_meant() -> None:
    """As a mistyped command or condition is."""
    with pytest.raises(argparse.ArgumentTypeError, match="did you mean 'completed'"):
        goals("compleeted")


def test_spans_of_time_are_written_as_people_do() -> None:
    """Seconds, minutes, hours, days; anything else is refused in words."""
    assert [time_span(text) for text in ("90s", "15m", "2h", "1d", "7")] == [90, 900, 7200, 86_400, 7]
    for text in ("0", "-1h", "soon", "h", "366d", "nan"):
        with pytest.raises(argparse.ArgumentTypeError):
            time_span(text)
