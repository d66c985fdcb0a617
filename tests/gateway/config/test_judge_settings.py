"""The judge of an agent's live calls: read strictly, with its rubric, and named in the limits on its verdicts."""

from pathlib import Path

import pytest

from gateway.judging.rubric import short_digest
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from tests.gateway.config.folders import loaded, problems

JUDGE = "{target: openai/judge, rubric: polite.md, sample: 2%, max_cost_per_day: 5}"
RUBRIC = {"agents/support/polite.md": "Polite, and to the point."}


def routing(judge: str = JUDGE, record: str = "all", more: str = "") -> dict[str, str]:
    text = f"agents:\n  support:\n    stable: v1\n    canary: v2\n    weight: 5%\n    record_content: {record}\n"
    return {"routing.yaml": f"{text}    judge: {judge}\n{more}", **RUBRIC}


def test_a_judge_is_read(tmp_path: Path) -> None:
    """Target, rubric, sample and limit, and a digest of what its verdicts depend on."""
    judge = loaded(tmp_path, routing()).agents["support"].judge
    assert judge is not None
    assert (judge.target.name, judge.rubric) == ("openai/judge", "Polite, and to the point.")
    assert (judge.sample, judge.max_nano_usd_per_day, judge.trusted) == (200, 5 * 10**9, False)


def test_another_rubric_is_another_judge(tmp_path: Path) -> None:
    """An edit of the rubric, or another target, changes the judge's digest and the configuration's; its money does not
    change the judge's."""
    found = [
        loaded(tmp_path, {**routing(judge), "agents/support/polite.md": rubric})
        for judge, rubric in (
            (JUDGE, "Polite."),
            (JUDGE, "Very polite."),
            (JUDGE.replace("openai/judge", "openai/other"), "Polite."),
            (JUDGE.replace("day: 5", "day: 6"), "Polite."),
        )
    ]
    judges = [each.agents["support"].judge for each in found]
    assert len({judge.digest for judge in judges if judge}) == 3
    assert len({each.digest for each in found}) == 4


def test_limits_name_the_judge(tmp_path: Path) -> None:
    """The default limits have the judge's beside them, which says whose verdicts it counts."""
    agent = loaded(tmp_path, routing()).agents["support"]
    assert agent.judge is not None
    named = f"judge_low_quality <= stable * 1.20 by {short_digest(agent.judge.digest)}"
    assert agent.guardrails == (*DEFAULT_GUARDRAILS, named)


def test_limits_of_ones_own_replace_it(tmp_path: Path) -> None:
    """Whoever writes limits has only those; as a signal the judge's limit rolls nothing back."""
    own = loaded(tmp_path, routing(more="    guardrails: [error_rate <= 20%]\n")).agents["support"]
    signal = loaded(tmp_path, routing(more="    signals: [judge_low_quality <= stable * 1.5]\n")).agents["support"]
    assert own.guardrails == ("error_rate <= 20%",)
    assert signal.guardrails == DEFAULT_GUARDRAILS
    assert signal.signals[0].startswith("judge_low_quality <= stable * 1.5 by ")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (routing(JUDGE.replace("openai", "opnai")), "routing.yaml:7: agents.support.judge.target: unknown provider"),
        (routing(JUDGE.replace("polite", "rude")), "routing.yaml:7: agents.support.judge.rubric: 'rude.md' not found"),
        (routing(JUDGE.replace("polite.md", "../../../x")), "agents.support.judge.rubric: '../../../x' "),
        ({**routing(), "agents/support/polite.md": " \n"}, "agents.support.judge.rubric: 'polite.md' is empty"),
        ({**routing(), "agents/support/polite.md": "x" * 20_001}, "has more than 20,000 characters"),
        (
            routing(record="off"),
            "routing.yaml:7: agents.support.judge: reads the texts of calls, and this agent records",
        ),
        (routing(JUDGE.replace("2%", "0%")), "agents.support.judge.sample: "),
        (routing(JUDGE.replace(", max_cost_per_day: 5", "")), "agents.support.judge.max_cost_per_day: "),
        (routing(JUDGE.replace("per_day: 5", "per_day: 1e-12")), "agents.support.judge.max_cost_per_day: "),
        (routing("null"), "routing.yaml:7: agents.support.judge: is empty"),
        (
            routing("null", more="    guardrails: [judge_low_quality <= stable * 2]\n"),
            "this agent has none; add `judge`",
        ),
        (routing(more="    guardrails: [judge_low_quality <= 20%]\n"), "is compared with stable only"),
        (
            routing(more="    signals: [judge_low_quality <= stable * 2 by 0123456789ab]\n"),
            "which judge counts is told by `judge`; write `judge_low_quality <= stable * 2`",
        ),
        (routing(more="    guardrails: [cost <= stable * 2 by 0123456789ab]\n"), "is no judge's; leave"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    """Each mistake with file, line and the way out."""
    assert problem in "\n".join(problems(tmp_path, files))
