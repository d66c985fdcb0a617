"""The numbers of an agent's versions: now, in the last minutes and hour, and over the whole rollout beside them."""

from collections.abc import Callable, Iterator, Mapping

from gateway.history.view import RecentView
from gateway.pages.html import NOTHING, Markup, tag
from gateway.rollout.status_view import AgentView, CallSums, VersionView, apart_in_words
from gateway.rollout.status_words import duration, errors_in_words, percentage, usd

_WINDOWS: Mapping[str, str] = {"1m": "1 min", "5m": "5 min", "1h": "1 h"}
_RECENT: Mapping[str, Callable[[RecentView], str]] = {
    "calls": lambda recent: f"{recent.calls:,}",
    "errors": errors_in_words,
    "p50": lambda recent: _seconds(recent.p50_seconds),
    "p90": lambda recent: _seconds(recent.p90_seconds),
    "first token p50": lambda recent: _seconds(recent.ttft_p50_seconds),
    "cost per call": lambda recent: _usd(recent.cost_per_call_usd),
    "quality": lambda recent: _share(recent.quality),
}


def numbers(agent: AgentView) -> Markup:
    """Return the section with a table for each version."""
    tables = (_table(name, _role(name, agent), sums) for name, sums in agent.versions.items())
    notes = [*apart_in_words(agent.versions)]
    notes += [f"No known price, not in the costs: {', '.join(agent.unpriced)}."] if agent.unpriced else []
    notes += [f"Rules towards a rolled-back version are ignored: {'; '.join(agent.ignored_rules)}."] * bool(
        agent.ignored_rules
    )
    notes += [f"{retirement}." for retirement in agent.retirements]
    listed = tag("ul", *(tag("li", note) for note in notes), class_="notes") if notes else NOTHING
    return tag("section", tag("h2", "Numbers"), tag("div", *tables, class_="versions"), listed, id="numbers")


def _role(name: str, agent: AgentView) -> str:
    if name == agent.stable.version:
        return "stable"
    if agent.canary is not None and name == agent.canary.version:
        return "canary"
    return "shadow" if agent.shadow is not None and name == agent.shadow.version else ""


def _table(name: str, role: str, sums: VersionView) -> Markup:
    recent = {words: sums.recent[window] for window, words in _WINDOWS.items() if window in sums.recent}
    columns = [*recent, "rollout"]
    whole = dict(_whole(sums, sums.quality))
    copies = dict(_whole(sums.shadow, None)) if sums.shadow else {}
    columns += ["as shadow"] if copies else []
    head = tag("tr", tag("td"), *(tag("th", column, scope="col") for column in columns))
    body = []
    for row, total in whole.items():
        read = _RECENT.get(row)
        cells = [read(each) if read else "" for each in recent.values()] + [total] + ([copies[row]] if copies else [])
        body.append(tag("tr", tag("th", row, scope="row"), *(tag("td", cell) for cell in cells)))
    swatch = tag("i", class_=f"swatch {role}", aria_hidden="true") if role in ("stable", "canary") else NOTHING
    caption = tag("caption", swatch, f"{name} {role}".strip())
    table = tag("table", caption, tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"Numbers of {name}")


def _whole(sums: CallSums, quality: float | None) -> Iterator[tuple[str, str]]:
    """Yield the sums of a whole rollout."""
    latency = sums.latency_seconds
    yield "calls", f"{sums.requests:,}"
    yield "errors", errors_in_words(sums)
    yield "p50", _seconds(latency.p50)
    yield "p90", _seconds(latency.p90)
    yield "p99", _seconds(latency.p99)
    yield "first token p50", _seconds(sums.ttft_seconds.p50)
    yield "cost", _usd(sums.cost_usd)
    yield "cost per call", _usd(sums.cost_per_request_usd)
    yield "quality", _share(quality)
    for row, count in (
        ("rejected", sums.rejected), ("fallbacks", sums.fallbacks), ("handed over", sums.escalations),
        ("hedges", sums.hedges),
    ):  # fmt: skip
        if count:
            yield row, f"{count:,}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)


def _usd(amount: float | None) -> str:
    return "–" if amount is None else usd(amount)


def _share(share: float | None) -> str:
    return "–" if share is None else percentage(share)
