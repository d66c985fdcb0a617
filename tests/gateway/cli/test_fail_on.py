"""`serinus status --fail-on`: which conditions hold, which comes first, and what a cron job sees of it."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest

from gateway.cli.fail_on import CONDITIONS, exit_codes, fail_on, first_failure
from gateway.rollout.status_view import ConfigView, RetirementView, StatusView, StoreView
from tests.architecture import ROOT
from tests.support.answers import answering_json, run
from tests.support.page_states import trial, version
from tests.support.views import FINDING, agent_view, status_view

CALM = agent_view(phase="running", guardrails=(), signals=(), versions={})
SUSPECT = replace(CALM, guardrails=(replace(FINDING, verdict="suspect"),))
VIEWS: Mapping[str, StatusView] = {
    "config_error": status_view(CALM, config=ConfigView("d", "then", "routing.yaml:3: no")),
    "store_away": status_view(CALM, store=StoreView("redis", False, "refused")),
    "failing": status_view(replace(CALM, guardrails=(FINDING,))),
    "breached": status_view(replace(CALM, phase="paused", guardrails=(FINDING,))),
    "rolled_back": status_view(agent_view(guardrails=())),
    "suspect": status_view(SUSPECT),
    "excluded": status_view(replace(CALM, excluded="one caller (c7)")),
    "paused": status_view(replace(CALM, phase="paused")),
    "waiting": status_view(replace(CALM, waits_for=("the step waits for an approval",))),
    "circuit_open": status_view(CALM, circuits={"p/m": "open"}),
    "falling_back": status_view(trial(versions={"v1": version(60, 0.85, unanswered=0.0)})),
    "model_retires": status_view(replace(CALM, retirements=(RetirementView("p/m", "2027-01-01", 30, "list"),))),
}


@pytest.mark.parametrize("word", CONDITIONS)
def test_each_condition_has_its_exit_code(word: str) -> None:
    """And a sentence that begins with its word; a calm gateway has none of them."""
    found = first_failure(VIEWS[word], (word,))
    assert found is not None and found[0] == CONDITIONS[word][0] and found[1].startswith(f"{word}: ")
    assert first_failure(status_view(CALM), tuple(CONDITIONS)) is None
    assert first_failure(status_view(replace(CALM, canary=None, phase=None)), tuple(CONDITIONS)) is None


def test_the_worst_comes_first() -> None:
    """Whatever the order in which they were asked for; spaces and hyphens are as good."""
    both = replace(VIEWS["rolled_back"], gateway=VIEWS["store_away"].gateway)
    assert fail_on("rolled-back, store_away") == ("store_away", "rolled_back")
    assert first_failure(both, fail_on("rolled_back,store_away")) == (11, "store_away: refused")
    assert fail_on("all") == tuple(CONDITIONS)
    assert len(exit_codes()) == len(CONDITIONS) and not {0, 1, 2, 130} & exit_codes().keys()


def test_a_mistyped_word_is_wrong_usage() -> None:
    """A job that watches for nothing would never fail."""
    with pytest.raises(argparse.ArgumentTypeError, match="did you mean 'breached'"):
        fail_on("breeched")
    with pytest.raises(argparse.ArgumentTypeError, match="'' is not one of"):
        fail_on("")


@pytest.mark.socket
@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--fail-on", "all"), 14, "rolled_back: support: it failed\n"),
        (("--fail-on", "store_away"), 0, ""),
        (("--json", "--fail-on", "rolled_back"), 14, "rolled_back: support: it failed\n"),
        ((), 0, ""),
    ],
)
async def test_a_cron_job_sees_it(
    arguments: tuple[str, ...], code: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code, and why on standard error, which cron sends by mail; the status all the same."""
    async with answering_json(asdict(VIEWS["rolled_back"])) as url:
        assert await run("status", *arguments, "--url", url) == code
    out, err = capsys.readouterr()
    assert err == error and "support" in out


@pytest.mark.socket
@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [((), 1, ""), (("--json",), 1, "config_error: "), (("--fail-on", "paused"), 0, ""),
     (("--fail-on", "config_error"), 10, "config_error: ")],
)  # fmt: skip
async def test_refused_files_are_always_said(
    arguments: tuple[str, ...], code: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `--fail-on` they are an exit code of 1; with it they count when they are named."""
    async with answering_json(asdict(VIEWS["config_error"])) as url:
        assert await run("status", *arguments, "--url", url) == code
    out, err = capsys.readouterr()
    assert err.startswith(error) and "routing.yaml:3: no" in out


@pytest.mark.parametrize("code", exit_codes())
def test_the_manual_has_the_same_table(code: int) -> None:
    """Code, word and meaning, as `--help` says them."""
    word, _, meaning = exit_codes()[code].partition(": ")
    assert f"| {code} | `{word}` | {meaning} |\n" in (ROOT / "docs/operating.md").read_text("utf-8")
