"""Alerts without a monitoring stack: what fires now, told once over all replicas, and again when it is over.

Sources say what is wrong; the store says which replica tells of it. An alert that flaps is told once in a window, with
how often it began. While the store is away each replica tells of that alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby

import orjson

from gateway.errors import StoreAway
from gateway.rollout.notice_formats import ALL_AGENTS, NoticeFormat
from gateway.rollout.notifications import Notices
from gateway.rollout.recorder import Clock
from gateway.rollout.status_words import span
from gateway.store.alerts import AlertChange, AlertSeam
from gateway.store.seam import Notice

LOOK_SECONDS, HOLD_SECONDS, AWAY_SECONDS = 15.0, 60.0, 30.0
_MOST_APART = 5  # alerts of a kind that are told one by one at the same time
_SHOWN = 10  # subjects that a group names


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is wrong now: what happened in one sentence, and the next step. `agent` is '' for all of them."""

    kind: str
    subject: str
    agent: str
    reason: str
    do: str

    @property
    def id(self) -> str:
        """Return what tells the alert from others."""
        return f"{self.kind}:{self.subject}"


Source = Callable[[], Awaitable[Iterable[Alert]]]


class AlertWatch:
    """The alerts of one replica. `window`, in seconds, follows the configuration.

    `away` says why the store is away, None while it is there; it is an alert after `away_seconds`.
    """

    def __init__(
        self,
        store: AlertSeam,
        notices: Notices,
        clock: Clock,
        away: Callable[[], str | None],
        sources: Sequence[Source],
    ) -> None:
        self._store = store
        self._notices = notices
        self._clock = clock
        self._away = away
        self._sources = sources
        self._away_since: float | None = None
        self._away_noted_at: float | None = None
        self.window = 3600.0
        self.away_seconds = AWAY_SECONDS

    def add_source(self, source: Source) -> None:
        """Heed another source."""
        self._sources = (*self._sources, source)

    async def look_for_ever(self) -> None:
        """Look at what is wrong, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Find what fires now, and tell of what has changed."""
        firing: dict[str, Alert] = {}
        for source in self._sources:
            with suppress(StoreAway):  # the next look finds it
                firing |= {alert.id: alert for alert in await source()}
        self._look_at_store()
        said = [(id_, orjson.dumps(asdict(alert)).decode()) for id_, alert in firing.items()]
        with suppress(StoreAway):
            self._tell(await self._store.settle_alerts(said, self.window, HOLD_SECONDS))

    def _look_at_store(self) -> None:
        """Tell that the store is away, or back, as this replica sees it."""
        why, now = self._away(), self._clock.monotonic()
        if why is None:
            if self._away_noted_at is not None and self._away_since is not None:
                self._tell_away("over", f"the store is back after {span(now - self._away_since)}")
            self._away_since = self._away_noted_at = None
            return
        since = self._away_since = now if self._away_since is None else self._away_since
        if self._away_noted_at is None and now - since >= self.away_seconds:
            self._away_noted_at = now
            self._tell_away("firing", f"the store is away since {span(now - since)}: {why}")

    def _tell_away(self, state: str, reason: str) -> None:
        alert = Alert("store_away", "store", "", reason, "Calls are still served. Run 'serinus doctor'.")
        hour = int(self._clock.unix() / 3600)  # all replicas tell under one key
        self._add(alert, state, f"{alert.id}:{state}:{hour}", 1, self._clock.unix())

    def _tell(self, changes: Sequence[AlertChange]) -> None:
        """Tell of changes; of many of one kind in one notice, but to receivers that group by themselves."""

        def kind(change: AlertChange) -> tuple[str, str]:
            return change.change, change.id.partition(":")[0]

        for (state, name), group in groupby(sorted(changes, key=kind), key=kind):
            members = [(change, alert) for change in group if (alert := _read(change.said))]
            is_many = len(members) > _MOST_APART
            for change, alert in members:
                key = f"{change.id}:{state}:{change.since:.3f}"
                self._add(alert, state, key, change.times, change.since, ("pagerduty",) if is_many else ())
            if is_many:
                subjects = [change.id.partition(":")[2] for change, _ in members]
                more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
                reason = f"{len(subjects)} at once: {', '.join(subjects[:_SHOWN])}{more}"
                first, alert = members[0]
                grouped = Alert(name, "several", "", reason, alert.do)
                key = f"{name}:several:{state}:{first.since:.3f}"
                self._add(grouped, state, key, 1, first.since, ("json", "slack", "teams"))

    def _add(
        self, alert: Alert, state: str, key: str, times: int, since: float, formats: tuple[NoticeFormat, ...] = ()
    ) -> None:
        now = self._clock.unix()
        reason = f"after {span(max(now - since, 0.0))}; it was: {alert.reason}" if state == "over" else alert.reason
        often = f" (began {times} times since it was last told)" if times > 1 else ""
        event = {
            "at": f"{now:.3f}", "agent": alert.agent or ALL_AGENTS, "action": alert.kind, "actor": "gateway",
            "state": state, "alert": alert.id, "subject": alert.subject, "reason": f"{reason}{often}", "do": alert.do,
            "times": times, "since": f"{since:.3f}",
        }  # fmt: skip
        self._notices.add_alert(Notice(alert.agent, "", key, event), formats)


def _read(said: str) -> Alert | None:
    """Return the alert that the store holds as text; None for one with other members than this release needs."""
    try:
        members = orjson.loads(said)
        return Alert(**{name: members[name] for name in Alert.__dataclass_fields__})
    except (ValueError, TypeError, KeyError):
        return None
