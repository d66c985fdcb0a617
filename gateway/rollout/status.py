"""Build what `/status` says of agents: the record, the evidence and the sums of each.

Agents are read from the store; while it is away, the last that was read is shown, under the table as it stands.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gateway.errors import StoreAway
from gateway.history.view import DecisionView
from gateway.judging.view import JudgeView
from gateway.pricing import PriceBook
from gateway.retirements import ModelEnding
from gateway.rollout.findings import evidence_of, findings_of, recorded_evidence
from gateway.rollout.measured import Ground, measure
from gateway.rollout.openings import SharedOpenings
from gateway.rollout.recent_views import RecentViews
from gateway.rollout.recorder import OTHER_MODELS
from gateway.rollout.status_view import (
    AgentView,
    CallSums,
    FindingView,
    OutlookView,
    RetirementView,
    ShadowView,
    StepView,
)  # fmt: skip
from gateway.rollout.table import Entry, Table
from gateway.rollout.version_views import sums_of, version_views
from gateway.store.seam import Sides, Snapshot, Store
from gateway.views import timestamp
from policies.evidence.evidence import ERRORS, Evidence
from policies.evidence.tally import Tally
from policies.evidence.traffic import is_mismatched
from policies.guardrails.grammar import THRESHOLD
from policies.guardrails.guardrails import Finding
from policies.guardrails.thresholds import outdated
from policies.guardrails.verdicts import verdict
from policies.rollout.exclusions import excluded_in_words, parties_in_words
from policies.rollout.rollout import CONTROLLER, Findings, waits_for
from policies.rollout.state import State, Step
from policies.simulation.outlook import rate_ratio_interval, requests_to_verdict
from routing.agents import Shadow
from routing.assignment import BUCKETS
from routing.models import MODELS

_PATIENCE_SECONDS = 0.5  # a store that is slower than this is not waited for: what was last read is shown
_BY_ITS_COUNTS = "by what it has counted itself, until the store is back"
_NOTHING = Snapshot(None, Sides(), {}, 0.0)


class StatusBuilder:
    """Build the views of agents. Remembers the last snapshot of each agent for when the store is away.

    `prices` follow the configuration: they know the targets that have served an agent here without a known price.
    `endings` are the targets of an agent, or plain models, that a provider ends. `latest` is what the judge's latest
    look at a trial has read, None where it has not looked: of many agents that is not read a second time. `judge` has
    the view of an agent's judge of live calls.
    """

    def __init__(
        self,
        store: Store,
        table: Table,
        prices: PriceBook,
        openings: SharedOpenings,
        endings: Callable[[str], Sequence[ModelEnding]] = lambda _agent: (),
        latest: Callable[[str], Snapshot | None] = lambda _agent: None,
    ) -> None:
        self.prices = prices
        self._openings = openings
        self._endings = endings
        self.judge: Callable[[str], JudgeView | None] = lambda _agent: None
        self._store = store
        self._table = table
        self._last: dict[str, tuple[Snapshot, Mapping[str, Any]]] = {}
        self._latest = latest
        self._recent = RecentViews(table, self._refresh, self._view, glance=self._glance)
        self.keep_fresh_for_ever = self._recent.keep_fresh_for_ever

    async def agents(self, names: Sequence[str]) -> dict[str, AgentView]:
        """Return the views of those agents, by name; without those that the table no longer knows."""
        return await self._recent.agents(names)

    async def models(self) -> dict[str, CallSums]:
        """Return the sums of plain models' calls over all replicas, by target, the busiest first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._refresh(MODELS)
        tallies = self._last.get(MODELS, (_NOTHING, {}))[0].tallies
        busiest = sorted(tallies.items(), key=lambda each: -each[1].requests)
        return {"other" if name == OTHER_MODELS else name: CallSums(**sums_of(tally)) for name, tally in busiest}

    def unpriced_models(self) -> tuple[str, ...]:
        """Return the plain models that were served here without a known price."""
        return self.prices.unpriced(MODELS)

    def endings(self, agent: str) -> Sequence[ModelEnding]:
        """Return the agent's targets that a provider ends."""
        return self._endings(agent)

    def model_retirements(self) -> tuple[RetirementView, ...]:
        """Return the plain models in use that a provider ends."""
        return tuple(map(_retirement, self._endings(MODELS)))

    def _view(self, name: str, entry: Entry) -> AgentView:
        snapshot, event = self._last.get(name, (_NOTHING, {}))
        view = agent_view(entry, snapshot, event, self.prices.unpriced(name))
        return replace(
            view,
            openings=self._openings.sentence(name),
            retirements=tuple(map(_retirement, self._endings(name))),
            reviews=None if entry.agent.review is None else snapshot.reviews,
            judge=self.judge(name),
        )

    async def _glance(self, name: str) -> None:
        """Refresh an agent by what the judge has read of it, where the judge has looked since its record changed."""
        seen, entry = self._latest(name), self._table.entry(name)
        is_current = seen is not None and entry is not None and seen.state == entry.state
        await self._refresh(name, seen if is_current else None)

    async def _refresh(self, name: str, seen: Snapshot | None = None) -> None:
        with suppress(StoreAway):
            snapshot = seen or await self._store.snapshot(name)
            known, event = self._last.get(name, (_NOTHING, {}))
            if not event or known.state != snapshot.state:  # else the latest change is the one that is known
                event = next(iter(await self._store.audit(name, 1)), {})
            self._last[name] = snapshot, event


def agent_view(entry: Entry, snapshot: Snapshot, event: Mapping[str, Any], unpriced: Iterable[str]) -> AgentView:
    """Return the view of one agent. The newer record holds, the table's or the snapshot's.

    `event` is the latest audit event, `unpriced` are the targets without a known price.
    """
    state = snapshot.state
    if entry.state is not None and (state is None or state.epoch < entry.state.epoch):
        state, snapshot = entry.state, _fitting(snapshot, entry.state)
    if entry.state != state:
        entry = entry.with_state(state)
    findings = findings_of(entry, _evidence(state, snapshot, event))
    assessment, ground = findings.assessment, _ground(entry, state, findings, snapshot)
    return AgentView(
        phase=state.phase if state else None,
        epoch=state.epoch if state else 0,
        step=state.step if state else 0,
        steps=tuple(map(_step, entry.intent.steps)),
        weight=1.0 if _serves_all(entry, state) else entry.split.weight / BUCKETS,
        pinned=state.pinned if state else False,
        approved=state.approved if state else False,
        dismissed=state.dismissed if state else (),
        reason=state.reason if state else "the record is not known yet; all calls go to stable",
        changed_at=timestamp(state.changed_at) if state else None,
        stable=entry.intent.stable,
        canary=entry.intent.canary,
        e_value=round(assessment.e_value, 6),
        threshold=THRESHOLD,
        guardrails=tuple(_finding(each, ground) for each in assessment.findings),
        signals=tuple(_finding(each, ground) for each in assessment.signals),
        outlook=_outlook(entry, state, findings),
        waits_for=tuple(_waits(entry, state, findings, snapshot)),
        shadow=_shadow(entry.agent.shadow),
        versions=version_views(entry, snapshot),
        last_decision=_decision(state, event) if state else None,
        read_at=timestamp(snapshot.now) if snapshot.now else None,
        unpriced=tuple(unpriced),
        openings=None,
        retirements=(),
        excluded=excluded_in_words(state) if state and entry.excluded else None,
        ignored_rules=tuple(_ignored_rules(entry)),
        measure_here=_measure_here(entry),
        split_mismatch=is_mismatched(findings.evidence),
    )


def _measure_here(entry: Entry) -> str | None:
    """Return what this replica does by its own counts while the store is away, in words."""
    if entry.is_quarantined:
        return f"this replica sends every call to {entry.intent.stable.version}, {_BY_ITS_COUNTS}"
    if entry.excluded_here:
        return f"this replica keeps the canary from {parties_in_words(sorted(entry.excluded_here))}, {_BY_ITS_COUNTS}"
    return None


def _ignored_rules(entry: Entry) -> Iterator[str]:
    """Return each rule towards a version that was rolled back; its calls follow the split."""
    for rule in entry.agent.rules:
        if rule.use in entry.split.withdrawn:
            when = ", ".join(f"{name}: {' or '.join(values)}" for name, values in rule.when.items())
            yield f"{when or 'every call'} → {rule.use}"


def _retirement(ending: ModelEnding) -> RetirementView:
    return RetirementView(ending.target, str(ending.on), ending.days, ending.source)


def _serves_all(entry: Entry, state: State | None) -> bool:
    """Return whether the configured canary has completed its trial and gets every call."""
    canary = entry.intent.canary
    return state is not None and state.phase == "completed" and canary is not None and (
        entry.split.stable.digest == canary.digest
    )  # fmt: skip


def _evidence(state: State | None, snapshot: Snapshot, event: Mapping[str, Any]) -> Evidence:
    """The running step's evidence; after a rollback, what the rollback was decided on."""
    if state is None:
        return Evidence(weight=0.0)
    recorded = recorded_evidence(event) if state.phase == "rolled_back" else None
    return recorded or evidence_of(state, snapshot.sides)


def _waits(entry: Entry, state: State | None, findings: Findings, snapshot: Snapshot) -> Sequence[str]:
    """Return why the rollout does not go on, in words."""
    if state is None or not state.on_trial:
        return ()
    stopped = (_paused(state),) if state.phase == "paused" else ("it is pinned",) if state.pinned else ()
    stable = snapshot.tallies.get(entry.intent.stable.version) or Tally()
    notes = outdated(state.frozen, stable, (*entry.guardrails, *entry.signals))
    return (*stopped, *waits_for(state, entry.intent, findings, snapshot.now), *notes)


def _paused(state: State) -> str:
    """Return who or what paused the rollout, as far as the record says so."""
    if state.spent:
        return "the canary has used up its budget"
    if state.action != "pause":
        return "it is paused"
    return "the controller paused it" if state.actor == CONTROLLER else "a person paused it"


def _outlook(entry: Entry, state: State | None, findings: Findings) -> OutlookView | None:
    """Return what to expect while a trial runs; no decision rests on it."""
    if state is None or not state.on_trial:
        return None
    evidence = findings.evidence
    low, high = rate_ratio_interval(evidence.canary.badness(ERRORS), evidence.stable.badness(ERRORS), evidence.weight)
    return OutlookView(
        error_ratio_low=round(low, 4),
        error_ratio_high=round(high, 4) if math.isfinite(high) else None,
        canary_requests_to_rollback=requests_to_verdict(
            entry.all_guardrails, evidence, state.dismissed, is_proven=findings.assessment.proven is not None
        ),
    )


def _step(step: Step) -> StepView:
    return StepView(step.weight / BUCKETS, step.hold, step.min_requests, step.approval)


def _fitting(snapshot: Snapshot, state: State) -> Snapshot:
    """Keep what an older snapshot still tells of this record: the sums of its rollout, the evidence of its step."""
    was = snapshot.state
    return Snapshot(
        state,
        snapshot.sides if was and was.evidence == state.evidence else _NOTHING.sides,
        snapshot.tallies if was and was.rollout == state.rollout else {},
        snapshot.now,
        snapshot.recent,
        snapshot.reasons if was and was.rollout == state.rollout else {},
    )


def _finding(finding: Finding, ground: Ground) -> FindingView:
    guardrail, measured = finding.guardrail, measure(finding, ground)
    return FindingView(
        text=guardrail.text,
        metric=guardrail.metric.name,
        verdict=verdict(finding, is_beyond=measured.is_beyond),
        e_value=round(finding.e_value, 6),
        e_value_of_all=round(finding.unbounded, 6),
        evidence=round(finding.weighed, 6),
        threshold=guardrail.threshold,
        share=finding.share,
        unit=guardrail.metric.unit,
        relative=guardrail.relative,
        limit=guardrail.limit,
        stable=measured.stable,
        canary=measured.canary,
        ratio=measured.ratio,
        stable_counts=measured.stable_counts,
        canary_counts=measured.canary_counts,
    )


def _ground(entry: Entry, state: State | None, findings: Findings, snapshot: Snapshot) -> Ground:
    """Return what the findings are measured on."""
    canary = entry.intent.canary
    stable_sums = snapshot.tallies.get(entry.intent.stable.version) or Tally()
    canary_sums = (snapshot.tallies.get(canary.version) if canary else None) or Tally()
    return Ground(findings.evidence, state.frozen if state else {}, stable_sums, canary_sums)


def _decision(state: State, event: Mapping[str, Any]) -> DecisionView:
    evidence = event.get("evidence") if event.get("epoch_after") == state.epoch else None
    return DecisionView(timestamp(state.changed_at), state.actor, state.action, state.reason, evidence)


def _shadow(shadow: Shadow | None) -> ShadowView | None:
    if shadow is None:
        return None
    most = shadow.max_nano_usd_per_day
    return ShadowView(
        version=shadow.version,
        sample=shadow.sample / BUCKETS,
        max_per_minute=shadow.max_per_minute,
        max_usd_per_day=None if most is None else most / 1e9,
    )
