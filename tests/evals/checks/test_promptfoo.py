"""Our scores are promptfoo's, on the same checks and the same outputs."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from evals.checks import CaseScore, check_problems, score_case
from tests.evals.checks.builders import NoGraders, answer_of, case_of, spec_of
from tests.evals.checks.promptfoo.pairs import Pair, called, every_pair
from tests.evals.checks.promptfoo.record import RECORDED, ask, digest

PAIRS = every_pair()
KEPT = json.loads(RECORDED.read_text())
# Where promptfoo is wrong, with what it does: docs/decisions/0060.
DEPARTURES = {
    "is-valid-openai-tools-call": "takes a tool without parameters for one that was not offered",
}


async def ours(pair: Pair) -> CaseScore | None:
    """Our score of a pair; None where we refuse a check before anything runs."""
    specs = [spec_of(assertion) for assertion in pair.assert_]
    if any(check_problems(spec) for spec in specs):
        return None
    answer = answer_of(
        pair.output,
        steps=pair.steps or (),
        offered=tuple(pair.tools or ()),
        cost_nano_usd=None if pair.cost is None else round(pair.cost * 1e9),
        latency_seconds=(pair.latency_ms or 0.0) / 1000,
        finish_reason=pair.finish_reason or "",
    )
    return await score_case(case_of(*specs, threshold=pair.threshold), answer, NoGraders())


def difference(pair: Pair, found: CaseScore | None, theirs: Any) -> str:
    """What is not the same, in one line; '' for equal scores. What promptfoo raises is refused or left undecided."""
    if isinstance(theirs, str) or found is None:
        refused = found is None or found.undecided
        is_same = refused and (isinstance(theirs, str) or theirs[:2] == [False, 0])  # a wrong expression fails there
        return "" if is_same else f"{pair.assert_} on {pair.output!r}: theirs {theirs}, ours {found}"
    passed, value, named = theirs
    metrics = {metric.name: metric.value for metric in found.metrics}
    same = found.passed == passed and found.value == pytest.approx(value, abs=1e-9) and metrics == pytest.approx(named)
    return "" if same else f"{pair.assert_} on {pair.output!r}: theirs {theirs}, ours {found}"


async def differences(answers: list[Any]) -> list[str]:
    """Every pair of which the scores are not the same, but for the departures."""
    found = [difference(pair, await ours(pair), theirs) for pair, theirs in zip(PAIRS, answers, strict=True)]
    return [line for pair, line in zip(PAIRS, found, strict=True) if line and not departs(pair)]


def departs(pair: Pair) -> bool:
    """Whether we score the pair otherwise on purpose: a tool without parameters, called without arguments."""
    return pair.assert_[0]["type"] in DEPARTURES and pair.output == called("now", arguments="{}")


def test_the_recorded_answers_are_those_to_the_pairs() -> None:
    """Whoever changes the pairs asks promptfoo anew: `python -m tests.evals.checks.promptfoo.record FOLDER`."""
    assert KEPT["pairs"] == digest(PAIRS) and len(KEPT["answers"]) == len(PAIRS) > 1000


async def test_scores_are_those_that_promptfoo_gave() -> None:
    """Passed or not, the score, and each metric; unicode, empty texts, thresholds at the edge, sets, weights of 0."""
    assert await differences(KEPT["answers"]) == []


def test_promptfoo_gives_the_same_answers_today_where_it_is_installed() -> None:
    """With PROMPTFOO=FOLDER it is asked; without, the recorded answers stand for it."""
    folder = os.environ.get("PROMPTFOO")
    assert (ask(PAIRS, Path(folder)) if folder else KEPT["answers"]) == KEPT["answers"]
