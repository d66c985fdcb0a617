"""The status as an HTML page: plain tables, no script, everything escaped."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib.resources import files
from string import Template

from gateway.rollout.status_view import (
    AgentView,
    CallSums,
    FindingView,
    StatusView,
    StoreView,
    VersionView,
    apart_in_words,
    is_shown_by_one,
)
from gateway.rollout.status_words import in_unit
from policies.rollout.state import VersionRef

_PAGE = Template(files("gateway.api").joinpath("status.html").read_text("utf-8"))
_FINDINGS = ("verdict", "E", "threshold", "stable", "canary")
_COLUMNS = (
    "version", "requests", "errors", "error rate", "rejected", "fallbacks", "hedges",
    "p50", "p90", "p99", "first token p50", "cost", "per request", "quality",
)  # fmt: skip


def status_page(view: StatusView, css: str = "status.css") -> bytes:
    """The page of a status view, as UTF-8. `css` is its stylesheet's address, relative to the page's own."""
    gateway = view.gateway
    error = gateway.config.error
    return _PAGE.substitute(
        css=css,
        version=escape(gateway.version),
        replica=escape(gateway.replica),
        now=escape(view.now),
        store=escape(_store(gateway.store)),
        circuits=_circuits(gateway.circuits),
        error=f'<pre class="bad">{escape(error)}</pre>' if error else "",
        agents="".join(_agent(name, agent) for name, agent in view.agents.items()) + _models(view),
    ).encode()


def _store(store: StoreView) -> str:
    why = f": {store.error}" if store.error else ""
    return f"{store.backend}, {'ok' if store.ok else 'away'}{why}"


def _circuits(circuits: Mapping[str, str]) -> str:
    """The targets that are left alone for a while."""
    if not circuits:
        return ""
    states = ", ".join(f"{target} {state.replace('_', ' ')}" for target, state in circuits.items())
    return f'<p class="bad">circuits: {escape(states)}</p>'


def _agent(name: str, agent: AgentView) -> str:
    phase = agent.phase or "no canary"
    badge = f'<span class="phase {escape(phase)}">{escape(phase.replace("_", " "))}</span>'
    parts = [
        f"<section><h2>{escape(name)} {badge}</h2>",
        f"<p>{escape(agent.reason)}</p>",
        f"<p>{_trial(agent)}</p>",
        _table(_COLUMNS, _rows(agent.versions)),
        _note(agent.excluded),
        _note(agent.measure_here),
        _note(agent.openings),
        *(_note(sentence) for sentence in apart_in_words(agent.versions)),
        _unpriced(agent.unpriced),
        *(f'<p class="bad">{escape(str(retirement))}</p>' for retirement in agent.retirements),
        _waits(agent.waits_for),
        _table(("guardrail", *_FINDINGS), map(_finding, agent.guardrails)),
        _table(("signal", *_FINDINGS), map(_finding, agent.signals)) if agent.signals else "",
        "</section>",
    ]
    return "".join(parts)


def _models(view: StatusView) -> str:
    """Return the plain models that were called."""
    if not view.models:
        return ""
    rows = [_row(name, sums) for name, sums in view.models.items()]
    parts = ("<section><h2>plain models</h2>", _table(("model", *_COLUMNS[1:]), rows), _unpriced(view.unpriced_models))
    return "".join([*parts, "</section>"])


def _trial(agent: AgentView) -> str:
    stable, canary = agent.stable, agent.canary
    split = f"stable {_ref(stable)}" + (f", canary {_ref(canary)} at {agent.weight:.2%}" if canary else "")
    if agent.step:
        split += f", step {agent.step} of {len(agent.steps)}" + (", pinned" if agent.pinned else "")
    decision = agent.last_decision
    who = f" by {escape(decision.actor)} ({escape(decision.action.replace('_', ' '))})" if decision else ""
    return f"{split}; epoch {agent.epoch}, changed at {escape(agent.changed_at or '-')}{who}"


def _note(sentence: str | None) -> str:
    return f"<p>{escape(sentence)}</p>" if sentence else ""


def _unpriced(targets: Iterable[str]) -> str:
    """The targets whose calls are missing from the costs."""
    listed = escape(", ".join(targets))
    return f'<p class="bad">no known price, not in the costs: {listed}</p>' if listed else ""


def _waits(reasons: Iterable[str]) -> str:
    """Return why the rollout does not advance."""
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    return f"<p>waits for its next step:</p><ul>{items}</ul>" if items else ""


def _ref(ref: VersionRef) -> str:
    return f"<b>{escape(ref.version)}</b> <code>{escape(ref.digest[:12])}</code>"


def _rows(versions: Mapping[str, VersionView]) -> Iterator[Iterable[str]]:
    """Every version, and below it the copies that it got as a shadow."""
    for version, sums in versions.items():
        yield _row(version, sums, sums.quality)
        if sums.shadow:
            yield _row(f"{version} as shadow", sums.shadow)


def _row(version: str, sums: CallSums, quality: float | None = None) -> Iterable[str]:
    latency, ttft = sums.latency_seconds, sums.ttft_seconds
    return (
        version, f"{sums.requests:,}", f"{sums.errors:,}", _percent(sums.error_rate), f"{sums.rejected:,}",
        f"{sums.fallbacks:,}", f"{sums.hedges:,}",
        _seconds(latency.p50), _seconds(latency.p90), _seconds(latency.p99), _seconds(ttft.p50),
        _usd(sums.cost_usd, 4), _usd(sums.cost_per_request_usd, 6), _percent(quality),
    )  # fmt: skip


def _finding(finding: FindingView) -> Iterable[str]:
    alone = f" ({finding.e_value_of_all:.4g} with one party's calls)" if is_shown_by_one(finding) else ""
    seen = (in_unit(value, finding.unit) for value in (finding.stable, finding.canary))
    return (finding.text, finding.verdict, f"{finding.evidence:.4g}{alone}", f"{finding.threshold:g}", *seen)


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2%}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3g} s"


def _usd(amount: float | None, digits: int) -> str:
    return "-" if amount is None else f"${amount:.{digits}f}"
