"""The page of one agent, in the order in which somebody who was woken asks.

Is anyone hurt, what differs, which limit, how sure, what happened when, what to do, is the split honest, and is the
gateway itself well.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from gateway.history.view import DecisionView, HistoryView
from gateway.pages.actions import ActionForms, actions, result_of_action
from gateway.pages.budgets import budgets
from gateway.pages.chart import figures
from gateway.pages.condition import agent_condition, is_on_trial, share
from gateway.pages.curves import charts
from gateway.pages.difference import difference
from gateway.pages.failures import failures
from gateway.pages.frame import LivePage, chip
from gateway.pages.health import health
from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.pages.judged import judged
from gateway.pages.limits import certainty, limits
from gateway.pages.moments import moment
from gateway.pages.numbers import numbers
from gateway.rollout.status_view import AgentView, StatusView
from gateway.rollout.status_words import evidence_number, percentage, rarity
from routing.agents import Agent

RANGES = {"15m": "15 min", "1h": "1 hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}


@dataclass(frozen=True, slots=True)
class AgentReading:
    """The facts that the page of one agent shows beside its status.

    `configured` is the agent of the files, `shows_prompts` whether this reader may see prompts. `history` is None where
    none could be read; `span` names the time that it covers, one of `RANGES`. `base` leads from the page's address to
    the folder `/status/`, where that is not its own.
    """

    configured: Agent | None
    shows_prompts: bool
    history: HistoryView | None
    span: str
    forms: ActionForms | None
    base: str = ""


def agent_page(view: StatusView, name: str, reading: AgentReading) -> LivePage:
    """Return the page of the agent of that name."""
    agent = view.agents[name]
    condition = agent_condition(agent)
    live = _sections(view, name, reading)
    query = f"agent={quote(name, safe='')}&range={reading.span}"
    order = ("now", "difference", "limits", "failures", "certainty", "curves", "timeline")
    rest = ("budgets", "judge", "split", "numbers", "health")
    return LivePage(
        name=name,
        title=f"{name}: {condition.sentence.rstrip('.')}",
        level=condition.level,
        top=f"{reading.base}../",
        events=f"{reading.base}events?{query}",
        parts=(*(live[part] for part in order), *_acting(live, reading), *(live[part] for part in rest)),
        live=live,
        crumbs=(("Serinus", f"{reading.base}../status"),),
    )


def _acting(live: dict[str, Markup], reading: AgentReading) -> Iterator[Markup]:
    """Yield the forms, and above them what became of the last one."""
    if reading.forms is not None:
        yield result_of_action(reading.forms)
        yield live["actions"]


def _sections(view: StatusView, name: str, reading: AgentReading) -> dict[str, Markup]:
    agent = view.agents[name]
    versions = reading.configured.versions if reading.configured else {}
    canary = versions.get(agent.canary.version) if agent.canary else None
    stable = versions.get(agent.stable.version)
    acting = {"actions": actions(agent, reading.forms)} if reading.forms else {}
    return {
        **acting,
        "now": _now(agent, _review_facts(name, agent, reading.base), "" if view.gateway.store.ok else _stale(agent)),
        "difference": difference(stable, canary, shows_prompts=reading.shows_prompts),
        "limits": limits(agent),
        "failures": failures(name, agent, f"{reading.base}../"),
        "certainty": certainty(agent),
        "curves": _curves(name, agent, reading),
        "timeline": _timeline(agent, reading.history),
        "budgets": budgets(view.limits),
        "judge": judged(agent.judge),
        "split": _split(agent, reading.history),
        "numbers": numbers(agent),
        "health": health(view.gateway),
    }


def _stale(agent: AgentView) -> str:
    """Return that the store is away, and how old that makes the numbers."""
    age = f"of {agent.read_at}" if agent.read_at else "unknown"
    return f"The store is away: no decision is made, and the numbers are {age}."


def _review_facts(name: str, agent: AgentView, base: str) -> Iterator[tuple[str, Markup]]:
    """Yield how many answers wait for people, as the way to them."""
    if agent.reviews is not None:
        address = f"{base}../review/{quote(name, safe='')}"
        words = f"{agent.reviews:,} answer{'' if agent.reviews == 1 else 's'}"
        yield "to review", tag("a", words, href=address)


def _now(agent: AgentView, more: Iterable[tuple[str, Markup]], stale: str) -> Markup:
    condition = agent_condition(agent)
    facts = (tag("div", tag("dt", label), tag("dd", value)) for label, value in (*_facts(agent), *more))
    detail = tag("p", condition.detail, class_="detail") if condition.detail else NOTHING
    head = tag("h1", condition.sentence)
    warning = tag("p", stale, class_="warning") if stale else NOTHING
    return tag(
        "section",
        chip(condition.level),
        head,
        detail,
        warning,
        tag("dl", *facts, class_="facts"),
        id="now",
        class_="now",
    )


def _facts(agent: AgentView) -> Iterator[tuple[str, Markup]]:
    yield "stable", joined((tag("b", agent.stable.version), " ", tag("code", agent.stable.digest[:12])))
    if agent.canary is not None:
        yield "canary", joined((tag("b", agent.canary.version), " ", tag("code", agent.canary.digest[:12])))
        phase = (agent.phase or "not begun").replace("_", " ") + (f" at {share(agent)}" if is_on_trial(agent) else "")
        step = f", step {agent.step} of {len(agent.steps)}" if len(agent.steps) > 1 else ""
        held = ", pinned" if agent.pinned else ""
        yield "trial", joined((f"{phase}{step}{held}",))
    if agent.changed_at is not None:
        yield "since", joined((moment(agent.changed_at), f", epoch {agent.epoch}"))


def _curves(name: str, agent: AgentView, reading: AgentReading) -> Markup:
    head = tag("h2", "Over time")
    spans = (
        tag(
            "a",
            words,
            href=f"{reading.base}{quote(name, safe='')}?range={span}",
            aria_current="true" if span == reading.span else None,
        )
        for span, words in RANGES.items()
    )
    choice = tag("nav", *spans, class_="spans", aria_label="Time that the curves cover")
    if reading.history is None:
        return tag("section", head, choice, tag("p", "The history cannot be read now."), id="curves")
    return tag("section", head, choice, figures(charts(reading.history, agent)), id="curves")


def _timeline(agent: AgentView, history: HistoryView | None) -> Markup:
    """Return who decided what, when and on which evidence, the latest first."""
    decisions = _decisions(agent, history)
    if not decisions:
        return tag("section", tag("h2", "Decisions"), tag("p", "Nothing was decided yet."), id="timeline")
    items = (tag("li", *_decision(each)) for each in decisions)
    return tag("section", tag("h2", "Decisions"), tag("ol", *items, class_="timeline"), id="timeline")


def _decisions(agent: AgentView, history: HistoryView | None) -> Sequence[DecisionView]:
    last = [agent.last_decision] if agent.last_decision is not None else []
    earlier = list(reversed(history.decisions)) if history is not None else []
    return [*last, *(each for each in earlier if not last or (each.at, each.action) != (last[0].at, last[0].action))]


def _decision(decision: DecisionView) -> Iterator[Markup]:
    yield moment(decision.at)
    action = decision.action.replace("_", " ")
    yield tag("span", " ", tag("b", action), f" by {decision.actor}: {decision.reason}")
    if (evidence := _evidence_in_words(decision)) is not None:
        yield tag("p", evidence, class_="hint")


def _evidence_in_words(decision: DecisionView) -> str | None:
    """Return what the evidence that a rollback rests on means."""
    e_value = (decision.evidence or {}).get("e_value")
    if not isinstance(e_value, int | float):
        return None
    return f"On this evidence: E = {evidence_number(float(e_value))}, {rarity(float(e_value))}."


def _split(agent: AgentView, history: HistoryView | None) -> Markup:
    """Return whether the canary gets the share that it is to get."""
    if not is_on_trial(agent) or agent.canary is None:
        return tag("section", id="split", hidden=True)
    mismatch = [reason for reason in agent.waits_for if "instead of" in reason]
    seen = _units(history)
    words = f"The canary is to get {share(agent)} of new conversations."
    if seen is not None and any(seen):
        stable, canary = seen
        words += (
            f" It got {percentage(canary / (stable + canary))} in the time shown ({canary:,} of {stable + canary:,})."
        )
    verdict = chip("suspect", "split is off") if mismatch else chip("fine", "split is honest")
    reasons = [tag("p", reason, class_="warning") for reason in mismatch]
    return tag("section", tag("h2", "Is the split honest?"), verdict, tag("p", words), *reasons, id="split")


def _units(history: HistoryView | None) -> tuple[int, int] | None:
    """Return the units that began on stable and on the canary."""
    if history is None:
        return None
    sums = {"stable": 0, "canary": 0}
    for series in history.series:
        if series.arm in sums:
            sums[series.arm] += sum(point.units for point in series.points)
    return sums["stable"], sums["canary"]
