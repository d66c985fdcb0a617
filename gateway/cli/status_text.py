"""`serinus status` as rows of text: first whether anyone is hurt, then each agent, the worst first."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from gateway.cli.output import Style, TextRow
from gateway.limits.limit_words import USED_UP, limit_in_words, soft_in_words, use_in_words
from gateway.pages.condition import (
    LEVELS,
    Level,
    agent_condition,
    overall_condition,
    recent_calls,
    worst_first,
)
from gateway.rollout.status_view import (
    AgentView,
    CallSums,
    FindingView,
    StatusView,
    VersionView,
    is_shown_by_one,
    rejected_in_words,
)
from gateway.rollout.status_words import comparison, duration, errors_in_words, evidence_number, usd, weight
from gateway.terminal import columns_of, one_line, padded

_STYLES: Mapping[Level, Style] = {
    "hurt": "red",
    "suspect": "yellow",
    "attention": "yellow",
    "rolled_back": "red",
    "watching": "cyan",
    "fine": "green",
    "quiet": "",
}
_VERDICTS: Mapping[str, Style] = {"breached": "red", "suspect": "yellow", "no data": "dim"}
_NARROWEST_NAME = 12


def condition_style(level: Level) -> Style:
    """Return the style of a condition of that level."""
    return _STYLES[level]


def status_page(url: str, *agents: str) -> str:
    """Return the address of an agent's page, or of all where more than one is named, at the gateway of that URL."""
    return f"{url}/status/{quote(agents[0], safe='')}" if len(agents) == 1 else f"{url}/status"


def status_rows(view: StatusView, url: str) -> list[TextRow]:
    """Return the status of the gateway at that URL, for a terminal; no reason or name makes a row of its own."""
    return [TextRow(one_line(row.text), row.style) for row in _rows(view, url)]


def _rows(view: StatusView, url: str) -> Iterator[TextRow]:
    conditions = {name: agent_condition(agent) for name, agent in view.agents.items()}
    order = worst_first({name: (conditions[name], recent_calls(agent)) for name, agent in view.agents.items()})
    whole = overall_condition(view, [(name, conditions[name]) for name in order])
    yield TextRow(whole.sentence, "bold" if whole.level in ("watching", "fine", "quiet") else _STYLES[whole.level])
    if whole.detail:
        yield TextRow(whole.detail)
    yield from _gateway(view)
    for name in order:
        yield TextRow()
        yield from _agent(name, view.agents[name], conditions[name].level)
    if view.models or view.model_retirements:
        yield TextRow()
        yield TextRow("plain models", "bold")
        yield from _sums({name: (name, sums) for name, sums in view.models.items()})
    if view.unpriced_models:
        yield TextRow(f"  no known price, not in the costs: {', '.join(view.unpriced_models)}", "yellow")
    yield from (TextRow(f"  {retirement}", "yellow") for retirement in view.model_retirements)
    yield from _limits(view)
    yield TextRow()
    yield TextRow(f"page: {status_page(url, *view.agents)}", "cyan")


def _limits(view: StatusView) -> Iterator[TextRow]:
    """Yield the limits that are used up, or beyond their soft share; how many there are, where all have room."""
    near = [(limit, soft) for limit in view.limits if (soft := soft_in_words(limit))]
    if not view.limits:
        return
    yield TextRow()
    if not near:
        yield TextRow(f"limits: none of {len(view.limits)} is near its end; all: serinus keys usage", "dim")
    for limit, soft in near:
        words = f"limit of {limit.level} {limit.name}: {limit_in_words(limit)}, {use_in_words(limit)}, {soft}"
        yield TextRow(words, "red" if soft == USED_UP else "yellow")


def _gateway(view: StatusView) -> Iterator[TextRow]:
    gateway = view.gateway
    store = f"{gateway.store.backend} {'ok' if gateway.store.ok else 'AWAY'}"
    yield TextRow(
        f"serinus {gateway.version}, replica {gateway.replica}, store {store}", "dim" if gateway.store.ok else ""
    )
    if why := gateway.store.error:
        yield TextRow(why, "red")
    yield from (TextRow(f"store at risk: {risk}", "yellow") for risk in gateway.store.risks)
    if error := gateway.config.error:
        yield TextRow("configuration refused, the previous one is in use:", "red")
        yield from (TextRow(line, "red") for line in error.split("\n"))
    for target, state in gateway.circuits.items():
        yield TextRow(f"circuit of {target}: {state.replace('_', ' ')}", "yellow")


def _agent(name: str, agent: AgentView, level: Level) -> Iterator[TextRow]:
    phase = agent.phase or "no canary"
    share = f"canary at {weight(agent.weight)}" if agent.canary else f"{agent.stable.version} serves every call"
    yield TextRow(f"{name}: {phase}, {share}, epoch {agent.epoch} – {LEVELS[level]}", _STYLES[level])
    yield TextRow(f"  {agent.reason}")
    yield from _sums({version: (_role(version, agent), sums) for version, sums in agent.versions.items()})
    notes = [f"{agent.excluded}: see `serinus explain {name}`"] if agent.excluded else []
    notes += filter(None, (agent.measure_here, agent.openings, rejected_in_words(agent.versions)))
    notes += [f"no known price, not in the costs: {', '.join(agent.unpriced)}"] if agent.unpriced else []
    notes += [str(retirement) for retirement in agent.retirements]
    yield from (TextRow(f"  {note}", "yellow") for note in notes)
    yield from map(_finding, agent.guardrails if agent.canary else ())


def _role(version: str, agent: AgentView) -> str:
    if version == agent.stable.version:
        return f"{version} stable"
    return f"{version} canary" if agent.canary and version == agent.canary.version else version


def _sums(named: Mapping[str, tuple[str, CallSums]]) -> Iterator[TextRow]:
    """A table of versions: of the whole rollout, and of the last five minutes."""
    if not named:
        return
    width = max(_NARROWEST_NAME, *(columns_of(one_line(label)) for label, _ in named.values()))
    yield TextRow(f"  {'':{width}} {'calls':>7} {'errors':>16} {'p90':>7} {'per call':>9}  last 5 min", "dim")
    for label, sums in named.values():
        slow = "–" if sums.latency_seconds.p90 is None else duration(sums.latency_seconds.p90)
        cost = "–" if sums.cost_per_request_usd is None else usd(sums.cost_per_request_usd)
        name = one_line(label)
        errors = errors_in_words(sums)
        row = f"  {padded(name, width)} {sums.requests:>7,} {errors:>16} {slow:>7} {cost:>9}  {_lately(sums)}"
        yield TextRow(row.rstrip())


def _lately(sums: CallSums) -> str:
    recent = sums.recent.get("5m") if isinstance(sums, VersionView) else None
    if recent is None:
        return f"{sums.rejected:,} rejected in all" if sums.rejected else ""
    counts = ((recent.errors, "errors"), (recent.rejected, "rejected"))
    return ", ".join([f"{recent.calls:,} calls", *(f"{count:,} {word}" for count, word in counts if count)])


def _finding(finding: FindingView) -> TextRow:
    alone = f"; {finding.e_value_of_all:.4g} with one party's calls" if is_shown_by_one(finding) else ""
    e_value = f"E {evidence_number(finding.evidence)} of {finding.threshold:g}{alone}"
    text = f"  {finding.text:<28} {finding.verdict}: {comparison(finding)}; {e_value}"
    return TextRow(text, _VERDICTS.get(finding.verdict, ""))
