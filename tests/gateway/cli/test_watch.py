"""`serinus status --watch` in a pipe, and what it does while the gateway is away."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import pytest

from gateway.cli.output import TextRow
from gateway.cli.watch import Look, watch
from tests.support.answers import answering_json, run
from tests.support.views import agent_view, status_view

CALM = agent_view(phase="running", guardrails=(), versions={})


def looks(*found: Look) -> Callable[[], Look]:
    """Looks that find these, and then Ctrl-C."""
    left: Iterator[Look] = iter(found)

    def look() -> Look:
        for each in left:
            return each
        raise KeyboardInterrupt

    return look


def test_a_pipe_gets_what_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing twice in a row, no escape sequence; Ctrl-C is its usual end."""
    pauses: list[float] = []
    one, two = Look([TextRow("one", "red")]), Look([TextRow("two")])
    assert watch(looks(one, one, two), 7, pause=pauses.append) == 0
    assert capsys.readouterr().out == "one\n\ntwo\n" and pauses == [7, 7, 7]


def test_a_condition_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    """With its exit code."""
    assert watch(looks(Look([TextRow("calm")]), Look([TextRow("bad")], 14)), 1, pause=lambda _: None) == 14
    assert capsys.readouterr().out == "calm\n\nbad\n"


@pytest.mark.socket
async def test_an_absent_gateway_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Its last status stays below the reason; one that was never there is refused."""
    rolled_back = asdict(status_view(replace(CALM, phase="rolled_back")))
    watching = ("status", "--watch", "--every", "0.5", "--fail-on", "rolled_back")
    async with answering_json(asdict(status_view(CALM)), None, rolled_back) as url:
        assert await run(*watching, "--url", url) == 14
    out, err = capsys.readouterr()
    assert f"\n\nno gateway answers at {url}" in out and out.count("support: running") == 2
    assert err == "rolled_back: support: it failed\n"
    assert await run(*watching, "--url", "http://127.0.0.1:1") == 1


@pytest.mark.socket
async def test_programs_get_one_line_a_look(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, unknown members included."""
    newer = {**asdict(status_view(replace(CALM, phase="rolled_back"))), "weather": "fine"}
    async with answering_json(asdict(status_view(CALM)), newer) as url:
        code = await run("status", "--watch", "--json", "--every", "0.5", "--fail-on", "rolled_back", "--url", url)
    first, second = capsys.readouterr().out.splitlines()
    assert code == 14 and "weather" not in json.loads(first) and json.loads(second)["weather"] == "fine"
