"""A judge of live calls as pages show it: what it does, what it found of each version, and whether it is believed."""

from collections.abc import Iterator

from gateway.judging.view import JudgeView, VerdictView, VersionVerdictsView
from gateway.pages.frame import chip
from gateway.pages.html import NOTHING, Markup, tag
from gateway.pages.moments import moment
from gateway.rollout.status_words import mean_score, part, usd

_HEADS = ("version", "judged", "passed", "mean score", "undecided")


def judged(judge: JudgeView | None) -> Markup:
    """Return the section on an agent's judge, hidden where it has none."""
    if judge is None:
        return tag("section", id="judge", hidden=True)
    sign = chip("attention", "paused") if judge.is_paused else chip("watching", "judging")
    words = tag("p", f"{judge.target}, judge {judge.judge}: {judge.state}.")
    trust = tag("p", f"{judge.trust[0].upper()}{judge.trust[1:]}.", class_="hint" if judge.acts else "warning")
    dropped = ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in judge.dropped.items())
    left_out = tag("p", f"Not judged at this replica: {dropped}.", class_="hint") if dropped else NOTHING
    return tag("section", tag("h2", "What the judge finds"), sign, words, *_table(judge), trust, left_out, id="judge")


def verdict_section(verdict: VerdictView | None) -> Markup:
    """Return what a judge found of one call."""
    if verdict is None:
        return NOTHING
    sign = chip("fine", "passed") if verdict.passed else chip("attention", "not passed")
    words = f"Score {verdict.score:.2f} by judge {verdict.judge}, which cost {usd(verdict.cost_usd)}, "
    reason = tag("p", verdict.reason) if verdict.reason else NOTHING
    return tag("section", tag("h2", "What the judge found"), sign, tag("p", words, moment(verdict.at)), reason)


def _table(judge: JudgeView) -> Iterator[Markup]:
    if judge.versions:
        head = tag("tr", *(tag("th", name, scope="col") for name in _HEADS))
        rows = (tag("tr", tag("th", name, scope="row"), *_cells(found)) for name, found in judge.versions.items())
        table = tag("table", tag("thead", head), tag("tbody", *rows))
        yield tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Verdicts of the judge")


def _cells(found: VersionVerdictsView) -> Iterator[Markup]:
    for text in (f"{found.judged:,}", part(found.passed, found.judged), mean_score(found), f"{found.undecided:,}"):
        yield tag("td", text)
