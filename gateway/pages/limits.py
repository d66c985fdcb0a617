"""The limits of a trial: each guardrail's values, its verdict, and the evidence on its way to the threshold."""

import math

from gateway.pages.condition import Level
from gateway.pages.frame import chip
from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.rollout.status_view import AgentView, FindingView, OutlookView, VersionView, is_shown_by_one
from gateway.rollout.status_words import (
    comparison,
    counts,
    evidence_number,
    in_unit,
    metric_name,
    rarity,
    span,
    times,
)

_LEVELS: dict[str, Level] = {
    "breached": "hurt",
    "suspect": "suspect",
    "watching": "watching",
    "fine": "fine",
    "no data": "quiet",
}
_ORDER = ("breached", "suspect", "watching", "fine", "no data")
_BAR = 200
_LEAST = 0.1  # the left end of a bar, which is logarithmic; the right end is ten times the threshold


def limits(agent: AgentView) -> Markup:
    """Return the section on the guardrails and signals, the worst first."""
    if not agent.guardrails and not agent.signals:
        words = "No guardrail is configured." if agent.canary else "Without a canary nothing is compared."
        return tag("section", tag("h2", "Limits"), tag("p", words), id="limits")
    found = [*((each, "guardrail") for each in agent.guardrails), *((each, "signal") for each in agent.signals)]
    found.sort(key=lambda each: (_ORDER.index(each[0].verdict), -each[0].evidence))
    items = (_limit(finding, kind, agent) for finding, kind in found)
    dismissed = f"Dismissed by a person: {', '.join(agent.dismissed)}." if agent.dismissed else ""
    note = tag("p", dismissed, class_="warning") if dismissed else NOTHING
    return tag("section", tag("h2", "Limits"), tag("ul", *items, class_="limits"), note, id="limits")


def _limit(finding: FindingView, kind: str, agent: AgentView) -> Markup:
    head = tag("h3", metric_name(finding.metric), " ", chip(_LEVELS[finding.verdict], finding.verdict))
    values = tag("dl", *_values(finding, agent), class_="arms")
    alone = f" One caller or user alone shows it: E = {evidence_number(finding.e_value_of_all)} with it."
    said = f"E {evidence_number(finding.evidence)} of {finding.threshold:,g}." + (
        alone if is_shown_by_one(finding) else ""
    )
    return tag(
        "li",
        head,
        tag("p", comparison(finding), class_="comparison"),
        tag("p", interval, class_="hint") if (interval := _interval(finding, agent.outlook)) else NOTHING,
        values,
        tag("div", _bar(finding), tag("span", said), class_="evidence"),
        tag("p", f"{kind} ", tag("code", finding.text), class_="hint"),
    )


def _values(finding: FindingView, agent: AgentView) -> list[Markup]:
    arms = (("stable", finding.stable, finding.stable_counts), ("canary", finding.canary, finding.canary_counts))
    versions = {"stable": agent.stable.version, "canary": agent.canary.version if agent.canary else ""}
    parts = []
    for arm, value, seen in arms:
        counted = counts(seen, finding.unit)
        behind = (
            tag("small", f" slow: {counted}" if finding.unit == "seconds" else f" {counted}") if counted else NOTHING
        )
        swatch = tag("i", class_=f"swatch {arm}", aria_hidden="true")
        name = tag("dt", swatch, f"{arm} {versions[arm]}")
        parts.append(tag("div", name, tag("dd", tag("b", in_unit(value, finding.unit)), behind)))
    return parts


def _interval(finding: FindingView, outlook: OutlookView | None) -> str:
    """Return between which multiples of stable's error rate the canary's lies."""
    if outlook is None or finding.metric != "error_rate" or not finding.relative:
        return ""
    low, high = outlook.error_ratio_low, outlook.error_ratio_high
    if high is None:
        return f"at least {times(low)} stable, with 95 % confidence" if low else ""
    return f"between {times(low)} and {times(high)} stable, with 95 % confidence"


def _bar(finding: FindingView) -> Markup:
    """Return the evidence as a bar on a logarithmic scale, with a mark at the threshold."""
    most = 10 * finding.threshold
    threshold, value = _place(finding.threshold, most), _place(finding.evidence, most)
    said = f"evidence {evidence_number(finding.evidence)}, threshold {finding.threshold:,g}, logarithmic"
    return tag(
        "svg",
        tag("title", said),
        tag("rect", x=0, y=3, width=_BAR, height=6, rx=3, class_="track"),
        tag("rect", x=0, y=3, width=f"{value:.1f}", height=6, rx=3, class_=f"fill {_LEVELS[finding.verdict]}"),
        tag("line", x1=f"{threshold:.1f}", x2=f"{threshold:.1f}", y1=0, y2=12, class_="limit"),
        viewBox=f"0 0 {_BAR} 12",
        preserveAspectRatio="none",
        role="img",
        class_="bar",
    )


def _place(value: float, most: float) -> float:
    part = math.log(max(value, _LEAST) / _LEAST) / math.log(most / _LEAST)
    return _BAR * min(part, 1.0)


def certainty(agent: AgentView) -> Markup:
    """Return the section on how sure this is, and how long it still takes."""
    if agent.canary is None:
        return tag("section", id="certainty", hidden=True)
    e_value = agent.e_value
    sure = f"E = {evidence_number(e_value)}: {rarity(e_value)}. At {agent.threshold:g} the canary is rolled back."
    parts = [tag("p", sure)]
    if agent.outlook is not None and (more := agent.outlook.canary_requests_to_rollback):
        parts.append(
            tag("p", f"If it goes on like this, about {more:,} more of its calls prove it{_how_long(agent, more)}.")
        )
    parts += [tag("p", f"{agent.openings}.")] if agent.openings else []
    if agent.waits_for:
        waits = (tag("li", reason) for reason in agent.waits_for)
        parts.append(tag("div", tag("p", "It waits for its next step:"), tag("ul", *waits)))
    for note in (agent.excluded, agent.measure_here):
        parts += [tag("p", f"{note}.", class_="warning")] if note else []
    return tag("section", tag("h2", "How sure, and how long still"), joined(parts), id="certainty")


def _how_long(agent: AgentView, more: int) -> str:
    """Return how long so many calls of the canary take at the traffic of now; '' where nothing is known of it."""
    sums = agent.versions.get(agent.canary.version) if agent.canary else None
    per_second = _rate(sums) if sums else 0.0
    return f": about {span(more / per_second)} at this traffic" if per_second else ""


def _rate(sums: VersionView) -> float:
    """Return the calls per second of the last five minutes, or else of the last hour."""
    for window, seconds in (("5m", 300.0), ("1h", 3600.0)):
        if (recent := sums.recent.get(window)) is not None and recent.calls:
            return recent.calls / seconds
    return 0.0
