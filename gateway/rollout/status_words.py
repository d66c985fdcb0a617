"""The words for what `/status` measures: page, command line and notices say the same of the same numbers."""

import math
from collections.abc import Mapping
from typing import Any

from gateway.history.view import RecentView
from gateway.judging.view import VersionVerdictsView
from gateway.number_words import duration, part, percentage, span, times, usd, weight
from gateway.rollout.status_view import CallSums, CountsView, FindingView, ReasonView

__all__ = [
    "comparison", "counts", "duration", "errors_in_words", "evidence_number", "failed_in_words", "in_unit",
    "main_reason", "mean_score", "metric_name", "part", "percentage", "rarity", "reason_in_words", "span", "times",
    "unanswered_in_words", "usd", "weight",
]  # fmt: skip

_METRICS = {
    "error_rate": "Errors",
    "rejection_rate": "Rejected requests",
    "cost": "Cost per call",
    "tokens": "Tokens per call",
    "low_quality": "Low quality",
    "judge_low_quality": "Low quality by the judge",
    "bad_tools": "Bad tool calls",
    "off_schema": "Answers off their JSON schema",
    "refusals": "Refusals",
    "truncated": "Truncated answers",
    "empty": "Empty answers",
    "tool_loops": "Tool loops",
    "tool_errors": "Tool errors",
    "handovers": "Handovers",
    "turns": "Calls per conversation",
}
_MEASURES = {"latency": "Latency", "ttft": "First token"}


def metric_name(metric: str) -> str:
    """Return the metric's name for people: `Latency p90` for `latency_p90`."""
    measure, _, percentile = metric.rpartition("_")
    return _METRICS.get(metric) or f"{_MEASURES.get(measure, measure)} {percentile}".strip()


def in_unit(value: float | None, unit: str) -> str:
    """Return a value as people read it: `4.1 %`, `0.82 s`, `$0.0043`, `1,240 tokens`; a dash where nothing is known."""
    if value is None:
        return "–"
    if unit == "share":
        return percentage(value)
    if unit == "seconds":
        return duration(value)
    if unit == "calls":
        return f"{value:,.3g} calls"
    return usd(value) if unit == "usd" else f"{value:,.0f} tokens"


def comparison(finding: FindingView) -> str:
    """Return the measured value beside its limit: `1.9 × stable, limit 1.25 ×`, or `43 %, limit 20 %`."""
    if not finding.relative:
        return f"{in_unit(finding.canary, finding.unit)}, limit {in_unit(finding.limit, finding.unit)}"
    limit = f"limit {times(finding.limit)}"
    if finding.ratio is not None:
        return f"{times(finding.ratio)} stable, {limit}"
    if finding.canary and finding.stable is not None:
        return f"stable has none, {limit}"
    return f"not comparable yet, {limit}" if finding.canary is None or finding.stable is None else f"equal, {limit}"


def counts(seen: CountsView | None, unit: str = "") -> str:
    """Return the counts behind a value of that unit: `41 of 96`, or `96 calls` behind a mean; '' without any."""
    if seen is None:
        return ""
    if unit == "calls":
        return f"of {seen.of:,} conversations"
    return f"{seen.of:,} calls" if seen.bad is None else f"{seen.bad:,.4g} of {seen.of:,}"


def errors_in_words(sums: CallSums | RecentView) -> str:
    """Return the errors among the calls that say something of the version: `23 % (10 of 43)`; a dash without any."""
    return part(sums.errors, sums.judged)


def unanswered_in_words(recent: RecentView) -> str:
    """Return what clients got, and apart from that what failed and what was rejected at the first attempt."""
    return (
        f"{recent.unanswered:,} of {recent.calls:,} calls got an error or a broken answer; "
        f"the version failed {recent.errors:,} at first, the provider rejected {recent.rejected:,}"
    )


def failed_in_words(recent: RecentView) -> str:
    """Return how often the version failed at first, and what clients got all the same."""
    return (
        f"the version failed {recent.errors:,} of {recent.calls:,} calls at first; "
        f"clients got {recent.unanswered:,} errors or broken answers, the provider rejected {recent.rejected:,}"
    )


def rarity(e_value: float) -> str:
    """Return what an E-value means: how rarely a canary as good as stable would look this bad, at its worst look.

    By Ville's inequality it reaches E at any time with a probability of at most 1/E.
    """
    if e_value < 2:
        return "a canary as good as stable may well look like this"
    return f"a canary as good as stable looks this bad in 1 of {_rounded(e_value)} rollouts"


def _rounded(number: float) -> str:
    """Return a whole number; a round one beyond a million."""
    if number >= 1e12:
        return "more than a trillion"
    for word, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{math.floor(number / size):,} {word}"
    return f"{math.floor(number):,}"


def evidence_number(e_value: float) -> str:
    """Return an E-value: `1.2`, `468`, `1.2 million`."""
    if e_value < 100:
        return f"{e_value:.3g}"
    return _rounded(e_value)


def mean_score(found: VersionVerdictsView) -> str:
    """Return the mean score with its interval; a dash before the first verdict."""
    if found.mean is None:
        return "–"
    between = "" if found.low is None or found.high is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.mean:.2f}{between}"


def reason_in_words(reason: ReasonView) -> str:
    """Return one reason as people read it: `37 × "the server is overloaded" (openai/gpt-4o, HTTP 503, overloaded)`."""
    said = f'"{reason.message}"' if reason.message else reason.failure.replace("_", " ")
    status = f"HTTP {reason.status}" if reason.status else reason.failure.replace("_", " ")
    details = ", ".join(filter(None, (reason.target, status, reason.code)))
    return f"{reason.count} × {said} ({details})"


def main_reason(evidence: Mapping[str, Any]) -> str:
    """Return the most frequent reason in a decision's evidence in words, with a call to look at; '' without one."""
    found = evidence.get("reasons")
    if not found:
        return ""
    reason = ReasonView(**found[0])
    call = f"; call {reason.calls[0]}" if reason.calls else ""
    return f"{reason_in_words(reason)}{call}"
