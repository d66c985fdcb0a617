"""The overview: one sentence on everything, the agents with the worst first, the first steps where nothing runs yet."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from gateway.pages.budgets import budgets
from gateway.pages.condition import (
    NOBODY,
    NOBODY_THEN,
    Condition,
    agent_condition,
    is_on_trial,
    overall_condition,
    recent_calls,
    share,
    worst_first,
)
from gateway.pages.frame import LivePage, chip
from gateway.pages.health import health
from gateway.pages.html import NOTHING, Markup, tag
from gateway.rollout.status_view import AgentView, CallSums, StatusView, VersionView
from gateway.rollout.status_words import duration, errors_in_words, evidence_number, usd

_LONGEST_TITLE = 120
_MOST_ROWS = 5_000  # in memory, of some 2 kB each
_QUIET = ("watching", "fine", "quiet")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


@dataclass(frozen=True, slots=True)
class Selection:
    """The agents that a reader asked for: those with `words` in their name, or only those that need attention."""

    words: str = ""
    only_trouble: bool = False

    def has(self, name: str, condition: Condition) -> bool:
        return self.words.lower() in name.lower() and not (self.only_trouble and condition.level in _QUIET)

    @property
    def query(self) -> str:
        """The selection as the query of an address; '' for all agents."""
        asked = {"filter": self.words, "trouble": "on" if self.only_trouble else ""}
        return urlencode({name: value for name, value in asked.items() if value})


ALL = Selection()


@dataclass(frozen=True, slots=True)
class _Row:
    """An agent's row, made of a view, with what it is sorted by."""

    view: AgentView
    condition: Condition
    calls: int
    html: Markup


class Rows:
    """The rows of agents, each made once for each view of it."""

    def __init__(self) -> None:
        self._made: dict[str, _Row] = {}

    def of(self, agents: Mapping[str, AgentView]) -> dict[str, _Row]:
        """Return the rows of these agents, by name."""
        return {name: self._row(name, agent) for name, agent in agents.items()}

    def _row(self, name: str, agent: AgentView) -> _Row:
        made = self._made.get(name)
        if made is None or made.view is not agent:
            if len(self._made) >= _MOST_ROWS:
                self._made.clear()
            condition = agent_condition(agent)
            made = _Row(agent, condition, recent_calls(agent), _row(name, agent, condition))
            self._made[name] = made
        return made


def overview(view: StatusView, selection: Selection = ALL, host: str = "", rows: Rows | None = None) -> LivePage:
    """Return the page of all agents.

    `host` is the name under which the reader reaches the gateway, `rows` remembers rows from page to page.
    """
    made = (rows or Rows()).of(view.agents)
    order = worst_first({name: (row.condition, row.calls) for name, row in made.items()})
    condition = overall_condition(view, [(name, made[name].condition) for name in order])
    shown = {row_id(name): made[name].html for name in order if selection.has(name, made[name].condition)}
    live = {"now": _headline(condition), "health": health(view.gateway), "models": _models(view), "first": NOTHING}
    live |= {"first": _first_steps(view, host), "budgets": budgets(view.limits)}
    listed = tag("ol", *shown.values(), id="agents", class_="agents", aria_label="Agents, the worst first")
    return LivePage(
        name="Serinus",
        title=_title(condition),
        level=condition.level,
        top="",
        events=f"status/events?{selection.query}" if selection.query else "status/events",
        parts=(live["now"], _form(selection), listed, live["first"], live["budgets"], live["models"], live["health"]),
        live={**live, **shown},
        lists={"agents": tuple(shown)},
    )


def row_id(name: str) -> str:
    """Return the id of an agent's row."""
    return f"agent-{quote(name, safe='')}"


def _title(condition: Condition) -> str:
    """Return what a tab in the background says: who is failing, or else what needs attention."""
    is_calm = condition.sentence in (NOBODY, NOBODY_THEN)
    words = condition.detail if is_calm and condition.detail else condition.sentence
    return words[:_LONGEST_TITLE].rstrip(".")


def _headline(condition: Condition) -> Markup:
    detail = tag("p", condition.detail, class_="detail") if condition.detail else NOTHING
    return tag("section", chip(condition.level), tag("h1", condition.sentence), detail, id="now", class_="now")


def _form(selection: Selection) -> Markup:
    words = tag("input", type="search", name="filter", value=selection.words, id="filter", autocomplete="off")
    trouble = tag("input", type="checkbox", name="trouble", id="trouble", checked=selection.only_trouble)
    label = tag("label", "Filter agents", for_="filter")
    only = tag("label", trouble, " only what needs attention", for_="trouble")
    return tag("form", label, words, only, tag("button", "Show"), method="get", role="search", class_="filter")


def _row(name: str, agent: AgentView, condition: Condition) -> Markup:
    head = tag("h2", tag("a", name, href=f"status/{quote(name, safe='')}"))
    detail = tag("p", condition.detail, class_="detail") if condition.detail else NOTHING
    words = tag("div", head, tag("p", condition.sentence), detail, class_="words")
    numbers = tag("dl", *_numbers(agent), *_reviews(name, agent), class_="numbers")
    return tag("li", chip(condition.level), words, numbers, id=row_id(name), data_name=name.lower())


def _numbers(agent: AgentView) -> Iterator[Markup]:
    """Yield the few numbers of a row: the last five minutes, and the evidence of a trial."""
    yield _number("calls, 1 h", f"{recent_calls(agent):,}")
    for role, version in (("stable", agent.stable), ("canary", agent.canary)):
        if version is not None and (sums := agent.versions.get(version.version)) is not None:
            yield _errors(role, sums)
    if is_on_trial(agent):
        yield _number("canary's share", share(agent))
        yield _number("evidence", f"E {evidence_number(agent.e_value)} of {agent.threshold:g}")


def _reviews(name: str, agent: AgentView) -> Iterator[Markup]:
    """Yield how many answers wait for people, where any do."""
    if agent.reviews:
        yield _number("to review", tag("a", f"{agent.reviews:,}", href=f"review/{quote(name, safe='')}"))


def _errors(role: str, sums: VersionView) -> Markup:
    """Return the errors of the last five minutes; those of the whole rollout where nothing is known of these."""
    recent = sums.recent.get("5m")
    if recent is not None and recent.judged:
        return _number(f"{role}'s errors, 5 min", errors_in_words(recent))
    return _number(f"{role}'s errors, rollout", errors_in_words(sums))


def _number(name: str, value: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value))


def _models(view: StatusView) -> Markup:
    """Return the plain models that were called."""
    if not view.models and not view.model_retirements:
        return tag("section", id="models", hidden=True)
    unpriced = ", ".join(view.unpriced_models)
    notes = [f"No known price, not in the costs: {unpriced}."] if unpriced else []
    notes += [f"{retirement}." for retirement in view.model_retirements]
    said = (tag("p", note, class_="warning") for note in notes)
    table = tag("div", _model_table(view.models), class_="scroll", tabindex=0, role="region", aria_label="Plain models")
    return tag("section", tag("h2", "Plain models"), table, *said, id="models")


def _model_table(models: Mapping[str, CallSums]) -> Markup:
    columns = ("model", "calls", "errors", "p90", "cost", "cost per call")
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    body = []
    for name, sums in models.items():
        p90, cost, each = sums.latency_seconds.p90, sums.cost_usd, sums.cost_per_request_usd
        cells = (
            f"{sums.requests:,}",
            errors_in_words(sums),
            "–" if p90 is None else duration(p90),
            "–" if cost is None else usd(cost),
            "–" if each is None else usd(each),
        )
        body.append(tag("tr", tag("th", name, scope="row"), *(tag("td", cell) for cell in cells)))
    return tag("table", tag("thead", head), tag("tbody", *body))


def _first_steps(view: StatusView, host: str) -> Markup:
    """Return the three steps to a first canary, for as long as no agent has one."""
    if any(agent.canary is not None for agent in view.agents.values()):
        return tag("section", id="first", hidden=True)
    agent = next(iter(view.agents), "support")
    stable = view.agents[agent].stable.version if agent in view.agents else "v1"
    where = host if _HOST.fullmatch(host) else "localhost:8080"
    canary = "v2" if stable != "v2" else "v3"
    body = f'{{"model": "{agent}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    edit = f"agents:\n  {agent}: {{stable: {stable}, canary: {canary}, weight: 5%}}"
    steps = (
        ("Send a call", f"curl http://{where}/v1/chat/completions -H 'content-type: application/json' -d '{body}'"),
        (
            "Write a new version: another prompt or model",
            f"cp agents/{agent}/{stable}.yaml agents/{agent}/{canary}.yaml",
        ),
        ("Give it a share of the traffic in routing.yaml", edit),
    )
    items = (tag("li", tag("p", words), copyable(text, words)) for words, text in steps)
    return tag("section", tag("h2", "Three steps to a first canary"), tag("ol", *items, class_="steps"), id="first")


def copyable(text: str, name: str) -> Markup:
    """Return text in a box whose content a script can copy."""
    copy = tag("button", "Copy", type="button", class_="copy")
    return tag(
        "div", copy, tag("pre", tag("code", text), tabindex=0, role="region", aria_label=name), class_="copyable"
    )
