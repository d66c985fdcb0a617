"""Webhook notices of decisions, sent at least once, by any replica that is alive.

A notice belongs to the store until it has arrived, so when the replica that decided dies, another one delivers. It is
settled for each receiver by itself: one that is down does not make the others hear it again. A receiver may see a
notice twice, always under the same idempotency key. That a target is misconfigured is no decision: the replica that
meets it tells of it, under a key that all replicas share for an hour.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError, ProviderError, StoreAway
from gateway.logs import Log
from gateway.rollout.notice_formats import ALL_AGENTS, NoticeFormat, page_of, payload
from gateway.rollout.recorder import Clock
from gateway.rollout.table import Table
from gateway.rollout.target_faults import Fault
from gateway.store.seam import Notice, Store
from gateway.timings import USUAL, Timings
from gateway.webhook.webhook import Webhook

GIVE_UP_SECONDS = 24 * 3600.0
_AT_ONCE = 20
MISCONFIGURED, RETIREMENT = "misconfigured", "retirement"
_ALARM_SECONDS = 3600
_MOST_ALARMS = 100  # that wait; far more targets than a configuration has that fail at the same time
_MOST_TRIES = 5  # a second apart: the log has it too


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that receives notices: in which form, of which agents (None: all) and of which actions."""

    name: str
    webhook: Webhook
    format: NoticeFormat
    agents: frozenset[str] | None
    actions: frozenset[str]
    routing_key: str = ""

    @property
    def id(self) -> str:
        """Return what tells this receiver from others, whatever its place in the configuration."""
        place = f"{self.format} {self.webhook.url} {self.routing_key}".rstrip()
        return hashlib.sha256(place.encode()).hexdigest()[:32]

    def wants(self, event: Mapping[str, Any]) -> bool:
        is_theirs = self.agents is None or event["agent"] in self.agents or event["agent"] == ALL_AGENTS
        return event["action"] in self.actions and is_theirs


@dataclass(slots=True)
class _Alarm:
    """A notice that waits in this replica, the receivers that have it, and how often it was tried."""

    notice: Notice
    reached: frozenset[str] = frozenset()
    tries: int = 0
    formats: tuple[NoticeFormat, ...] = ()  # of the receivers that are to hear of it; all without any


class Notices:
    """Delivers the notices of all agents. `receivers` follow the configuration."""

    def __init__(self, store: Store, table: Table, log: Log, clock: Clock, timings: Timings = USUAL) -> None:
        self._store = store
        self._table = table
        self._log = log
        self._clock = clock
        self._timings = timings
        self.receivers: Sequence[Receiver] = ()
        self.public_url = ""
        self._alarms: dict[str, _Alarm] = {}

    def alarm(self, agent: str, target: str, fault: Fault) -> None:
        """Tell receivers, soon, that a target of the agent cannot serve for a reason that the configuration gives."""
        now = self._clock.unix()
        key = f"{MISCONFIGURED}:{target}:{int(now / _ALARM_SECONDS)}"
        event = {
            "at": f"{now:.3f}", "agent": agent, "action": MISCONFIGURED, "actor": "gateway", "target": target,
            "reason": f"{target} {fault.why}; {fault.way_out}",
        }  # fmt: skip
        self._add(Notice(agent, "", key, event))

    async def announce(self, notice: Notice) -> None:
        """Tell, soon, the receivers that no replica has told of it, which is no decision. Raises StoreAway."""
        wanting = {receiver.id for receiver in self._wanting(notice)}
        reached = await self._store.load_receivers(notice.agent, notice.key) if wanting else frozenset()
        if not wanting <= reached:
            self._add(notice, reached)

    def add_alert(self, notice: Notice, formats: tuple[NoticeFormat, ...] = ()) -> None:
        """Tell receivers of these formats, soon, of an alert; the log has it at once."""
        event = notice.event
        if not formats or "json" in formats:
            write = self._log.error if event["state"] == "firing" else self._log.warning
            write(
                "alert", kind=event["action"], state=event["state"], subject=event["subject"], reason=event["reason"],
                do=event["do"],
            )  # fmt: skip
        if len(self._alarms) < _MOST_ALARMS:
            self._alarms.setdefault(f"{notice.key} {formats}", _Alarm(notice, formats=formats))

    def _add(self, notice: Notice, reached: frozenset[str] = frozenset()) -> None:
        if len(self._alarms) < _MOST_ALARMS:
            self._alarms.setdefault(notice.key, _Alarm(notice, reached))

    async def deliver_for_ever(self) -> None:
        """Look for notices and deliver them until cancelled."""
        while True:
            await self.deliver_alarms()
            with suppress(StoreAway):  # the controller says so; the notices are still there when it is back
                await self.deliver()
            await asyncio.sleep(self._timings.notices)

    async def deliver(self) -> None:
        """Deliver what is there. Raises StoreAway."""
        idle_ms = round(self._timings.notice_claim * 1000)
        for notice in await self._store.claim_notices(list(self._table), idle_ms, _AT_ONCE):
            wanting = self._wanting(notice)
            reached = await self._store.load_receivers(notice.agent, notice.key) if wanting else frozenset()
            took = await self._tell(notice, reached)
            if took.issuperset(each.id for each in wanting) or self._is_stale(notice):
                await self._store.mark_delivered(notice)
                continue
            for receiver in took - reached:
                await self._store.add_receiver(notice.agent, notice.key, receiver)

    async def deliver_alarms(self) -> None:
        """Tell of what waits; what a receiver does not take is tried again a few times."""
        for key, alarm in list(self._alarms.items()):
            notice, reached = alarm.notice, alarm.reached | self._left_out(alarm.formats)
            alarm.reached, alarm.tries = await self._tell(notice, reached), alarm.tries + 1
            if alarm.reached.issuperset(each.id for each in self._wanting(notice)) or alarm.tries >= _MOST_TRIES:
                del self._alarms[key]
            if notice.event["action"] == RETIREMENT:
                with suppress(StoreAway):  # told again, then, under the same key
                    for receiver in alarm.reached - reached:
                        await self._store.add_receiver(notice.agent, key, receiver)

    def _left_out(self, formats: tuple[NoticeFormat, ...]) -> frozenset[str]:
        """Return the receivers of other formats than these."""
        return frozenset(each.id for each in self.receivers if formats and each.format not in formats)

    def _wanting(self, notice: Notice) -> list[Receiver]:
        return [receiver for receiver in self.receivers if receiver.wants(notice.event)]

    async def _tell(self, notice: Notice, reached: Set[str]) -> frozenset[str]:
        """Send the notice to the receivers that want it and have not been told; return the ids of all that have it."""
        left = [receiver for receiver in self._wanting(notice) if receiver.id not in reached]
        results = await asyncio.gather(*(self._post(notice, receiver) for receiver in left))
        return frozenset(reached) | {receiver.id for receiver, took in zip(left, results, strict=True) if took}

    async def _post(self, notice: Notice, receiver: Receiver) -> bool:
        try:
            known = self._table.entry(notice.event["agent"]) is not None
            page = page_of(self.public_url, notice.event["agent"], known)
            body = payload(notice, receiver.format, page, receiver.routing_key)
            await receiver.webhook.post(body, notice.key)
        except (ProviderError, GatewayError) as error:
            self._log.warning("notice_failed", agent=notice.agent, receiver=receiver.name, error=error.message)
            return False
        self._log.info("notified", agent=notice.agent, receiver=receiver.name, key=notice.key)
        return True

    def _is_stale(self, notice: Notice) -> bool:
        stale = self._clock.unix() - float(notice.event["at"]) > GIVE_UP_SECONDS
        if stale:
            self._log.error("notice_given_up", agent=notice.agent, key=notice.key)
        return stale
