"""Reasons why a version's calls failed: the provider's own words, how often, when last, and the calls to look at."""

from collections.abc import Iterator
from urllib.parse import quote, urlencode

from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.pages.moments import moment
from gateway.pages.trace_words import call_anchor
from gateway.rollout.status_view import AgentView, ReasonView

_MOST = 8  # of a version are shown; the rest is in the JSON


def failures(name: str, agent: AgentView, top: str) -> Markup:
    """Return the section on failures. `top` leads from the page's address to that of `/status`."""
    parts = [part for version, sums in agent.versions.items() for part in _of_version(version, sums.reasons, top)]
    nothing = NOTHING if parts else tag("p", _nothing(agent))
    anchors = joined(_anchors(name, top), " · ")
    return tag("section", tag("h2", "Why calls failed"), *parts, nothing, tag("p", anchors), id="failures")


def _nothing(agent: AgentView) -> str:
    """Return that nothing has failed since the rollout began, though the last hour may know of failures before it."""
    hours = (recent for sums in agent.versions.values() if (recent := sums.recent.get("1h")) is not None)
    earlier = any(recent.errors or recent.rejected for recent in hours)
    return "No call has failed in this rollout." + " Those of the last hour failed before it." * earlier


def _anchors(name: str, top: str) -> Iterator[Markup]:
    for words, path, more in (
        ("calls without an answer", "calls", {"unanswered": "true"}),
        ("all calls", "calls", {}),
        ("conversations", "conversations", {}),
    ):
        yield tag("a", words, href=f"{top}{path}?{urlencode({'agent': name, **more}, quote_via=quote)}")


def _of_version(version: str, reasons: tuple[ReasonView, ...], top: str) -> Iterator[Markup]:
    if not reasons:
        return
    yield tag("h3", version)
    yield tag("ul", *(tag("li", *_reason(each, top)) for each in reasons[:_MOST]), class_="notes")
    if len(reasons) > _MOST:
        yield tag("p", f"{len(reasons) - _MOST} more reasons are in the JSON of this address.", class_="hint")


def _reason(reason: ReasonView, top: str) -> Iterator[Markup]:
    status = f" {reason.status}" if reason.status else ""
    said = " · ".join(filter(None, (reason.message, reason.code)))
    times = "once" if reason.count == 1 else f"{reason.count:,} times"
    is_counted = "" if reason.is_error else ", not an error of the version"
    yield tag("b", f"{times}: {reason.failure.replace('_', ' ')}{status}")
    yield tag("span", f" at {reason.target}{is_counted}{f': {said}' if said else ''}. Last ")
    yield moment(reason.last_at)
    yield joined((": ", *(joined((call_anchor(top, each), " ")) for each in reason.calls)) if reason.calls else ())
