"""The verdict on a whole suite, in one sentence and in figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals.verdict.bounds import RatioInterval, cases_needed, share_at_most
from evals.verdict.paired import (
    NO_FRESH_RUNS,
    CasePair,
    Confirmation,
    FreshRuns,
    RunOutcome,
    SuiteComparison,
    compare,
    confirmations,
    is_proved_worse,
    log_evidence,
)

SuiteStatus = Literal["passed", "failed", "too_few_cases"]
_SHOWN_IDS = 5
_LARGEST_EXPONENT = 700.0  # exp() of more overflows a double


@dataclass(frozen=True, slots=True)
class VerdictLimits:
    """Limits of a verdict: `alpha` the false refusals it may give, `margin` the share of such cases on which the
    version may be worse, `most_undecided` the share of runs that no check could decide. All are 0…1."""

    alpha: float = 0.05
    margin: float = 0.05
    most_undecided: float = 0.02


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """The verdict. Counts are of cases, except `undecided_runs` of `runs`, which are of both versions.

    `evidence` is E, and proves harm from `bar` on. `worse_at_most` is the bound (95 %) of the share of such cases on
    which the version is worse.
    """

    status: SuiteStatus
    sentence: str
    reasons: tuple[str, ...]
    cases: int
    worse: int
    better: int
    evidence: float
    bar: float
    worse_at_most: float
    undecided_runs: int
    runs: int
    critical_failing: tuple[str, ...]
    newly_failing: tuple[Confirmation, ...]
    newly_passing: tuple[str, ...]


def suite_verdict(
    pairs: Sequence[CasePair], fresh: FreshRuns = NO_FRESH_RUNS, limits: VerdictLimits = VerdictLimits()
) -> SuiteVerdict:
    """Return the verdict on all cases, and on the fresh repeats of those that newly fail.

    Where no case has an outcome of stable, the version is judged alone: each case must pass each time.
    """
    found = compare(pairs)
    is_alone = bool(pairs) and not any(pair.stable for pair in pairs)
    compared = len(pairs) - found.undecided
    at_most = share_at_most(found.worse, compared) if compared else 1.0
    reasons = _reasons(pairs, found, fresh, limits, is_alone)
    status, sentence = _alone(reasons, pairs) if is_alone else _status(reasons, compared, found.worse, at_most, limits)
    outcomes = _outcomes(pairs)
    return SuiteVerdict(
        status=status,
        sentence=sentence,
        reasons=reasons,
        cases=len(pairs),
        worse=found.worse,
        better=found.better,
        evidence=_e_value(found, fresh),
        bar=1 / limits.alpha,
        worse_at_most=at_most,
        undecided_runs=outcomes.count(None),
        runs=len(outcomes),
        critical_failing=_critical_failing(pairs),
        newly_failing=confirmations(found, fresh),
        newly_passing=found.newly_passing,
    )


def ratio_sentence(what: str, interval: RatioInterval | None) -> str:
    """Return the ratio in words: `cost ×1.24 (95 %: 1.10 to 1.39)`."""
    if interval is None:
        return f"{what}: nothing to compare with"
    if interval.low is None or interval.high is None:
        return f"{what} ×{interval.ratio:.2f} (too few cases for an interval)"
    return f"{what} ×{interval.ratio:.2f} (95 %: {interval.low:.2f} to {interval.high:.2f})"


def _status(
    reasons: Sequence[str], compared: int, worse: int, at_most: float, limits: VerdictLimits
) -> tuple[SuiteStatus, str]:
    bound = f"worse on at most {_percent(at_most)} of such cases (95 %)"
    needed = cases_needed(limits.margin)
    if reasons:
        return "failed", f"Failed: {'; '.join(reasons)}."
    if compared < needed:
        enough = f"{needed} are needed to show at most {_percent(limits.margin)}"
        return "too_few_cases", f"Too few cases: {compared} compared, {enough}; so far {bound}."
    return "passed", f"Passed: {worse} of {compared} cases worse; {bound}."


def _alone(reasons: Sequence[str], pairs: Sequence[CasePair]) -> tuple[SuiteStatus, str]:
    if reasons:
        return "failed", f"Failed: {'; '.join(reasons)}."
    return "passed", f"Passed: {len(pairs)} of {len(pairs)} cases, with no stable version to compare with."


def _reasons(
    pairs: Sequence[CasePair], found: SuiteComparison, fresh: FreshRuns, limits: VerdictLimits, is_alone: bool
) -> tuple[str, ...]:
    outcomes = _outcomes(pairs)
    failing = [pair.id for pair in pairs if False in pair.candidate] if is_alone else []
    return (
        *_not_passed("critical ", _critical_failing(pairs)),
        *_not_passed("", failing),
        *_harm_reasons(found, fresh, 1 / limits.alpha),
        *_undecided_reasons(outcomes.count(None), len(outcomes), limits),
    )


def _outcomes(pairs: Sequence[CasePair]) -> list[RunOutcome]:
    return [outcome for pair in pairs for outcome in (*pair.candidate, *pair.stable)]


def _critical_failing(pairs: Sequence[CasePair]) -> tuple[str, ...]:
    return tuple(pair.id for pair in pairs if pair.critical and not pair.passes_always)


def _not_passed(kind: str, cases: Sequence[str]) -> list[str]:
    return [f"{kind}{_cases(len(cases))} not passed each time: {_listed(cases)}"] if cases else []


def _harm_reasons(found: SuiteComparison, fresh: FreshRuns, bar: float) -> list[str]:
    evidence = _e_value(found, fresh)
    if not is_proved_worse(found, fresh, 1 / bar):
        return []
    confirmed = [
        f"{one.id} ({one.worse} of {one.repeats} fresh repeats)" for one in confirmations(found, fresh) if one.worse
    ]
    newly = f"; newly failing: {_listed(confirmed)}" if confirmed else ""
    counts = f"worse than stable on {found.worse} {_cases(found.worse)}, better on {found.better}"
    return [f"{counts} (E = {evidence:.3g}, proof from {bar:.3g}){newly}"]


def _e_value(found: SuiteComparison, fresh: FreshRuns) -> float:
    return math.exp(min(log_evidence(found, fresh), _LARGEST_EXPONENT))


def _undecided_reasons(undecided: int, runs: int, limits: VerdictLimits) -> list[str]:
    if undecided <= limits.most_undecided * runs:
        return []
    return [f"{undecided} of {runs} runs undecided, more than {_percent(limits.most_undecided)}"]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def _cases(count: int) -> str:
    return "case" if count == 1 else "cases"


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN_IDS} more" if len(words) > _SHOWN_IDS else ""
    return ", ".join(words[:_SHOWN_IDS]) + more
