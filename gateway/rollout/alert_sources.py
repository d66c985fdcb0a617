"""Sources of alerts: a stable version that fails, a provider that is down or refuses the key, spending, people's desks.

Counts of all replicas are looked at by one of them, which holds a lease; what a replica sees alone it says itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.history.curves import recent_views
from gateway.history.sums import CellSums
from gateway.history.view import RecentView
from gateway.rollout.alerts import Alert
from gateway.rollout.reasons import reason_views
from gateway.rollout.recorder import Clock
from gateway.rollout.status_words import failed_in_words, percentage, reason_in_words, span, unanswered_in_words, usd
from gateway.rollout.table import Table
from gateway.rollout.target_faults import Fault
from gateway.store.seam import Snapshot, Store

LEASE = "/alerts"  # stands for an agent where the lease is asked for; no agent has this name
LEASE_SECONDS = 45.0  # three looks
FEWEST_CALLS = 10  # in five minutes, below which no error rate says anything
LEAST_RATE, TIMES_BEFORE, FEWEST_BEFORE = 0.05, 3.0, 50
DOWN_SECONDS, REFUSED_SECONDS = 30.0, 900.0
_MOST_WAITING = 200
_NAMED = 10  # agents that an alert names
_DAY, _HOUR = 86_400, 3600
_Kind = tuple[str, Callable[[RecentView], int], Callable[[RecentView], str]]
_KINDS: tuple[_Kind, ...] = (  # of a stable version's bad calls, the worse first: how they are told and counted
    (
        "clients got no answer to {rate} of {calls} calls in 5 min",
        lambda recent: recent.unanswered,
        unanswered_in_words,
    ),
    (
        "it fails {rate} of {calls} calls in 5 min, but clients get answers",
        lambda recent: recent.errors,
        failed_in_words,
    ),
)
_FORGOTTEN = 2 * _DAY  # who has waited for longer is answered elsewhere, or not at all


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """Thresholds: a share of stable's calls, US dollars a day (None: no limit), seconds that people may take."""

    stable_errors: float = 0.2
    usd_per_day: float | None = None
    escalation_seconds: float = 900.0


class AlertSources:
    """The sources of one replica. `circuits` has the state of targets' circuits, `problem_place` says where the
    files are refused, without what stands there.
    """

    def __init__(
        self,
        store: Store,
        table: Table,
        clock: Clock,
        circuits: Callable[[], Mapping[str, str]],
        problem_place: Callable[[], str | None],
    ) -> None:
        self._store = store
        self._table = table
        self._clock = clock
        self._circuits = circuits
        self._problem_place = problem_place
        self._open_since: dict[str, float] = {}
        self._refused: dict[str, tuple[float, str]] = {}
        self.limits = AlertLimits()

    def note_fault(self, target: str, fault: Fault) -> None:
        """Note that a provider refuses the gateway's key."""
        if fault.is_key:
            self._refused[target.partition("/")[0]] = (
                self._clock.monotonic(),
                f"{target} {fault.why}; {fault.way_out}",
            )

    async def here(self) -> Iterable[Alert]:
        """Find what this replica sees alone."""
        return [*self._down(), *self._keys(), *self._configuration()]

    async def over_all(self) -> Iterable[Alert]:
        """Find what the counts of all replicas say; nothing at a replica that does not hold the lease."""
        if not await self._store.lease(LEASE, LEASE_SECONDS):
            return []
        found: list[Alert] = []
        for agent in list(self._table):
            found += self._failing(agent, await self._store.snapshot(agent))
        return [*found, *await self._spending(), *await self._waiting()]

    def _down(self) -> Iterator[Alert]:
        now = self._clock.monotonic()
        open_now = self._circuits()
        self._open_since = {target: self._open_since.get(target, now) for target in open_now}
        for target, since in self._open_since.items():
            if now - since >= DOWN_SECONDS:
                agent, used_by = self._users(target)
                reason = f"the circuit of {target} opened after failures, {span(now - since)} ago{used_by}"
                do = "See the provider's status page and 'serinus doctor'. Calls go to a fallback, where there is one."
                yield Alert("provider_down", target, agent, reason, do)

    def _keys(self) -> Iterator[Alert]:
        now = self._clock.monotonic()
        self._refused = {each: noted for each, noted in self._refused.items() if now - noted[0] < REFUSED_SECONDS}
        for provider, (_, reason) in self._refused.items():
            agent, used_by = self._users(f"{provider}/", is_provider=True)
            reason += used_by
            yield Alert(
                "provider_key_refused", provider, agent, reason, f"Renew api_key of {provider} in gateway.yaml."
            )

    def _users(self, named: str, *, is_provider: bool = False) -> tuple[str, str]:
        """Return the only agent that uses the target (or the provider), or '', and several agents in words."""
        agents = [
            name
            for name in self._table
            if any(each == named or (is_provider and each.startswith(named)) for each in self._targets(name))
        ]
        if len(agents) < 2:
            return "".join(agents), ""
        more = f" and {len(agents) - _NAMED} more" if len(agents) > _NAMED else ""
        return "", f"; used by {', '.join(agents[:_NAMED])}{more}"

    def _targets(self, name: str) -> Iterator[str]:
        entry = self._table.entry(name)
        if entry is not None:
            yield from (str(version.target) for version in entry.agent.versions.values())
            yield from map(str, entry.agent.fallback)

    def _configuration(self) -> Iterator[Alert]:
        if (place := self._problem_place()) is not None:
            reason = f"the files are refused, and the previous configuration stays in use: {place[:300]}"
            yield Alert("config_refused", "configuration", "", reason, "Run 'serinus check'.")

    def _failing(self, agent: str, snapshot: Snapshot) -> Iterator[Alert]:
        entry = self._table.entry(agent)
        if entry is None:
            return
        stable = entry.split.stable.name
        views = recent_views(snapshot.recent).get(stable)
        if views is None or views["5m"].calls < FEWEST_CALLS:
            return
        now, before = views["5m"], views["1h"].calls - views["5m"].calls
        found = next((words for each in _KINDS if (words := self._unusual(views, each))), None)
        if found is None:
            return
        # A rejected request is no error of the version, but it may be why clients got no answer.
        reasons = [view for view in reason_views(snapshot.reasons.get(stable, ())) if view.is_error or not now.errors]
        cause = f"; lately {reason_in_words(reasons[0])}" if reasons else ""
        share, usual, counts = found
        past = f", against {percentage(usual)} in the hour before" if before else ""
        reason = f"{stable}, the stable version: {share}{past} ({counts}){cause}"
        yield Alert("stable_failing", agent, agent, reason, f"Run 'serinus explain {agent}'.")

    def _unusual(self, views: Mapping[str, RecentView], kind: _Kind) -> tuple[str, float, str] | None:
        """Return what is bad now in words, its usual rate, and counts; None if it is as usual and below the limit."""
        (words, count, counts), now, hour = kind, views["5m"], views["1h"]
        calls = hour.calls - now.calls
        rate, usual = count(now) / now.calls, (count(hour) - count(now)) / calls if calls else 0.0
        is_unusual = calls >= FEWEST_BEFORE and rate >= LEAST_RATE and rate >= TIMES_BEFORE * usual
        if rate < self.limits.stable_errors and not is_unusual:
            return None
        return words.format(rate=percentage(rate), calls=now.calls), usual, counts(now)

    async def _spending(self) -> list[Alert]:
        """Find whether more was spent today (UTC) than the configuration says."""
        most, now = self.limits.usd_per_day, self._clock.unix()
        if most is None:
            return []
        spent, dearest = 0.0, ("", 0.0)
        for agent in list(self._table):
            cost = await self._cost(agent, now - now % _DAY, now)
            spent, dearest = spent + cost, max(dearest, (agent, cost), key=lambda each: each[1])
        if spent < most:
            return []
        reason = f"{usd(spent)} spent today (UTC), over the {usd(most)} of `alerts.usd_per_day`; most by {dearest[0]}"
        return [Alert("spend", "today", "", reason, "See the costs of each agent on the status page.")]

    async def _cost(self, agent: str, since: float, until: float) -> float:
        found = await self._store.history(agent, since, until, _HOUR)
        cells = [cell for each in found.cells.values() for cell in each]
        return CellSums(cells).cost_usd or 0.0

    async def _waiting(self) -> list[Alert]:
        """Find conversations that people have not answered for too long."""
        now, agents = self._clock.unix(), [*self._table]
        found = await self._store.escalations(agents, _MOST_WAITING)
        ages = [(now - float(handed.event["at"]), place.agent) for place, handed in found if handed.reply is None]
        late = [(age, agent) for age, agent in ages if self.limits.escalation_seconds <= age <= _FORGOTTEN]
        if not late:
            return []
        conversations = "1 conversation waits" if len(late) == 1 else f"{len(late)} conversations wait"
        reason = f"{conversations} for a person's reply, the longest for {span(max(late)[0])}"
        of = {agent for _, agent in late}
        only = of.pop() if len(of) == 1 else ""
        return [Alert("escalations_waiting", "desk", only, reason, "Run 'serinus escalations', and reply.")]
