"""Gauges of `/metrics`: the state of one process, and the rollouts, which are the same at every process.

What must be read from the store is read at most once in some seconds, however many ask.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, time
from time import monotonic
from time import time as unix
from typing import get_args

from gateway import __version__
from gateway.api.endpoint import Services
from gateway.errors import StoreAway
from gateway.limits.ledger import NAMED_BY_CLIENTS
from gateway.limits.view import used_ratio
from gateway.live_judge.sampling import graded_share
from gateway.rollout.status_view import AgentView, FindingView
from gateway.rollout.table import Entry
from gateway.telemetry.call_counts import JudgeDrop, JudgeEnd
from gateway.telemetry.families import (
    BUDGET_USED,
    BUILD_INFO,
    CIRCUIT_OPEN,
    CONFIG_LOADED,
    CONFIG_PROBLEMS,
    DECISIONS,
    EVAL_VERDICT,
    EVIDENCE,
    HANDOVERS_WAITING,
    IN_FLIGHT,
    JUDGE_DROPPED,
    JUDGE_SAMPLE,
    JUDGED,
    LIMIT,
    LIMITED,
    LOOP_DELAY,
    MEASURED,
    MEMORY_USED,
    MODEL_SHUTDOWN,
    NOTICES_PENDING,
    OF_ALL,
    OF_EACH_PROCESS,
    PHASE,
    QUARANTINE,
    RECORDS_DROPPED,
    REFUSED,
    REVIEWS_WAITING,
    ROLLOUT_INFO,
    SHED,
    SPANS_DROPPED,
    SPLIT_MISMATCH,
    STEP,
    STORE_UP,
    THRESHOLD,
    WEIGHT,
    MetricFamily,
)
from gateway.telemetry.samples import Samples
from policies.rollout.state import Action
from routing.assignment import BUCKETS
from routing.models import MODELS

_PATIENCE_SECONDS = 0.5  # a store that is slower than this is not waited for
_WATCHED: tuple[Action, ...] = (
    "start", "advance", "pause", "resume", "approve", "exclude", "roll_back", "abort", "complete", "wait",
)  # fmt: skip
READ_SECONDS = 10.0  # for so long what was read of the store is shown
_MOST_HANDED = 200  # handovers that are looked through for those that wait
_LEAST_E_VALUE = 1e-6  # less is not told apart, and nothing has no logarithm


def process_samples(services: Services) -> Samples:
    """Return what this process has counted, and its state; what only the store knows is left out."""
    gauges: Samples = {family.name: {} for family in OF_EACH_PROCESS}
    _put(gauges, IN_FLIGHT, services.calls.taken)
    overload = services.overload.view()
    _put(gauges, LOOP_DELAY, overload.delay)
    _put(gauges, MEMORY_USED, overload.memory)
    _put(gauges, STORE_UP, services.controller.store_ok)
    problems = services.config_error()
    _put(gauges, CONFIG_PROBLEMS, len(problems.splitlines()) if problems else 0)
    _put(gauges, CONFIG_LOADED, services.loaded_at)
    for target in services.proxy.attempts.circuits.states():
        _put(gauges, CIRCUIT_OPEN, 1, *services.counts.known.bounded(target).split("/", 1))
    for ledger in services.proxy.limits.leases.ledgers():
        limit = ledger.limit
        if limit.level not in NAMED_BY_CLIENTS:
            _put(gauges, BUDGET_USED, used_ratio(ledger), limit.level, limit.name, limit.kind, limit.window.text)
    for entry in _entries(services):
        _put(gauges, QUARANTINE, entry.is_quarantined, entry.agent.name)
    return {**_counters(services), **gauges}


def _counters(services: Services) -> Samples:
    """Return what was counted. Those that alerts watch begin at 0, for a first value is no increase."""
    counted = services.proxy.recorder.samples()
    for entry in _entries(services):
        if entry.intent.canary:
            for action in _WATCHED:
                counted[DECISIONS.name].setdefault((entry.agent.name, action), [0])
        if entry.agent.judge is not None:
            _begin_judge(counted, entry)
    for name, count in services.refusals.counts.items():
        status, _, code = name.partition(" ")
        counted[REFUSED.name][status, code] = [count]
    writer = services.traces.writer
    dropped = {"call": writer.dropped, "content": writer.contents.dropped}
    counted[RECORDS_DROPPED.name] = {(kind,): [count] for kind, count in dropped.items()}
    counted[SHED.name] = {(reason,): [count] for reason, count in services.calls.shed.items()}
    counted[LIMITED.name] = {labels: [count] for labels, count in services.proxy.limits.refused.items()}
    tracing = services.proxy.recorder.tracing
    if tracing is not None:
        from gateway.telemetry.span_exporter import Lost  # it is loaded where spans are exported, and only there

        counted[SPANS_DROPPED.name] = {(reason,): [tracing.dropped.get(reason, 0)] for reason in get_args(Lost)}
    return counted


def _begin_judge(counted: Samples, entry: Entry) -> None:
    """Begin the counts of an agent's judge at 0."""
    agent, intent = entry.agent.name, entry.intent
    for version in filter(None, (intent.stable, intent.canary)):
        for end in get_args(JudgeEnd):
            counted[JUDGED.name].setdefault((agent, version.version, end), [0])
    for reason in get_args(JudgeDrop):
        counted[JUDGE_DROPPED.name].setdefault((agent, reason), [0])


class RolloutGauges:
    """The gauges that are the same at every process. Remembers what it last read of the store."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._views: Mapping[str, AgentView] = {}
        self._pending: int | None = None
        self._waiting: Mapping[str, int] = {}
        self._reviews: Mapping[str, int] = {}
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    async def samples(self) -> Samples:
        """Return the gauges; of the store what was read in the last seconds."""
        async with self._reading:
            if monotonic() - self._read_at >= READ_SECONDS:
                await self._read()
                self._read_at = monotonic()
        gauges: Samples = {family.name: {} for family in OF_ALL}
        _put(gauges, BUILD_INFO, 1, __version__)
        if self._pending is not None:
            _put(gauges, NOTICES_PENDING, self._pending)
        for agent, count in self._waiting.items():
            _put(gauges, HANDOVERS_WAITING, count, agent)
        for agent, count in self._reviews.items():
            _put(gauges, REVIEWS_WAITING, count, agent)
        for entry in _entries(self._services):
            _put_rollout(gauges, entry)
            if entry.on_trial and (view := self._views.get(entry.agent.name)):
                _put_evidence(gauges, entry.agent.name, view)
        for agent in (*self._services.table, MODELS):
            self._put_endings(gauges, agent)
        return gauges

    async def _read(self) -> None:
        services = self._services
        on_trial = [entry.agent.name for entry in _entries(services) if entry.on_trial]
        self._views = await services.status.agents(on_trial)
        self._pending, self._waiting, self._reviews, agents = None, {}, {}, list(services.table)
        reviewed = [entry.agent.name for entry in _entries(services) if entry.agent.review is not None]
        with suppress(StoreAway, TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                self._pending = await services.store.pending_notices(agents)
                self._reviews = await services.store.count_reviews(reviewed) if reviewed else {}
                handed = await services.store.escalations(agents, _MOST_HANDED)
                waiting = Counter(place.agent for place, each in handed if each.state(unix()) == "waiting")
                self._waiting = {agent: waiting[agent] for agent in agents}

    def _put_endings(self, gauges: Samples, agent: str) -> None:
        for ending in self._services.status.endings(agent):
            target = self._services.counts.known.bounded(ending.target)
            at = datetime.combine(ending.on, time(), UTC).timestamp()
            _put(gauges, MODEL_SHUTDOWN, at, "" if agent == MODELS else agent, *target.split("/", 1))


def _entries(services: Services) -> Iterable[Entry]:
    return filter(None, map(services.table.entry, services.table))


def _put(gauges: Samples, family: MetricFamily, value: float, *labels: str) -> None:
    gauges[family.name][labels] = [float(value)]


def _put_rollout(gauges: Samples, entry: Entry) -> None:
    """Say where the agent's rollout stands, as the calls at this process follow it."""
    agent, state, intent = entry.agent.name, entry.state, entry.intent
    _put(gauges, ROLLOUT_INFO, 1, agent, intent.stable.version, intent.canary.version if intent.canary else "")
    _put(gauges, WEIGHT, 1.0 if entry.is_completed else entry.split.weight / BUCKETS, agent)
    needed = entry.agent.evaluation
    if needed is not None and intent.canary:
        verdict = needed.record.verdict if needed.record else "missing"
        _put(gauges, EVAL_VERDICT, 1, agent, intent.canary.version, verdict)
    if entry.agent.judge is not None and entry.agent.content is not None:
        sample = graded_share(entry.agent.judge.sample, entry.split.weight if entry.on_trial else 0)
        _put(gauges, JUDGE_SAMPLE, round(sample * entry.agent.content.sample / BUCKETS, 9), agent)
    if state is not None:
        _put(gauges, PHASE, 1, agent, state.phase or "")
        _put(gauges, STEP, state.step, agent)


def _put_evidence(gauges: Samples, agent: str, view: AgentView) -> None:
    _put(gauges, EVIDENCE, math.log10(max(view.e_value, _LEAST_E_VALUE)), agent)
    _put(gauges, THRESHOLD, math.log10(view.threshold), agent)
    _put(gauges, SPLIT_MISMATCH, view.split_mismatch, agent)
    for finding in view.guardrails:
        for arm, measured in (("stable", finding.stable), ("canary", finding.canary)):
            if measured is not None:
                _put(gauges, MEASURED, measured, agent, finding.text, arm)
        if (limit := _limit(finding)) is not None:
            _put(gauges, LIMIT, limit, agent, finding.text)


def _limit(finding: FindingView) -> float | None:
    """Return the limit for the canary in the metric's own unit; None while stable's value is unknown."""
    if not finding.relative:
        return finding.limit
    return None if finding.stable is None else finding.limit * finding.stable
