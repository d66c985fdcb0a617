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
from typing import Any, Literal

from gateway.errors import GatewayError, ProviderError, StoreAway
from gateway.logs import Log
from gateway.rollout.recorder import Clock
from gateway.rollout.status_words import main_reason
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
    format: Literal["json", "slack"]
    agents: frozenset[str] | None
    actions: frozenset[str]

    @property
    def id(self) -> str:
        """Return what tells this receiver from others, whatever its place in the configuration."""
        return hashlib.sha256(f"{self.format} {self.webhook.url}".encode()).hexdigest()[:32]

    def wants(self, event: Mapping[str, Any]) -> bool:
        return event["action"] in self.actions and (self.agents is None or event["agent"] in self.agents)


@dataclass(slots=True)
class _Alarm:
    """A notice that waits in this replica, the receivers that have it, and how often it was tried."""

    notice: Notice
    reached: frozenset[str] = frozenset()
    tries: int = 0


class Notices:
    """Delivers the notices of all agents. `receivers` follow the configuration."""

    def __init__(self, store: Store, table: Table, log: Log, clock: Clock, timings: Timings = USUAL) -> None:
        self._store = store
        self._table = table
        self._log = log
        self._clock = clock
        self._timings = timings
        self.receivers: Sequence[Receiver] = ()
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
            notice, reached = alarm.notice, alarm.reached
            alarm.reached, alarm.tries = await self._tell(notice, reached), alarm.tries + 1
            if alarm.reached.issuperset(each.id for each in self._wanting(notice)) or alarm.tries >= _MOST_TRIES:
                del self._alarms[key]
            if notice.event["action"] == RETIREMENT:
                with suppress(StoreAway):  # told again, then, under the same key
                    for receiver in alarm.reached - reached:
                        await self._store.add_receiver(notice.agent, key, receiver)

    def _wanting(self, notice: Notice) -> list[Receiver]:
        return [receiver for receiver in self.receivers if receiver.wants(notice.event)]

    async def _tell(self, notice: Notice, reached: Set[str]) -> frozenset[str]:
        """Send the notice to the receivers that want it and have not been told; return the ids of all that have it."""
        left = [receiver for receiver in self._wanting(notice) if receiver.id not in reached]
        results = await asyncio.gather(*(self._post(notice, receiver) for receiver in left))
        return frozenset(reached) | {receiver.id for receiver, took in zip(left, results, strict=True) if took}

    async def _post(self, notice: Notice, receiver: Receiver) -> bool:
        try:
            await receiver.webhook.post(payload(notice, receiver.format), notice.key)
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


def payload(notice: Notice, form: Literal["json", "slack"]) -> Mapping[str, object]:
    """Return the body to send: the audit event with its key, or the text that Slack and similar services show."""
    if form == "json":
        return {"key": notice.key, **notice.event}
    event = notice.event
    if event["action"] in (MISCONFIGURED, RETIREMENT):
        return {"text": _escaped(f"{event['agent']}: {event['reason']}")}
    canary = (event.get("canary") or {}).get("version", "the canary")
    what = f"{event['agent']}: {str(event['action']).replace('_', ' ')} of {canary} by {event['actor']}"
    cause = f". Most often: {found}" if (found := main_reason(event.get("evidence") or {})) else ""
    return {"text": _escaped(f"{what} (epoch {event['epoch_after']}). {event['reason']}{cause}")}


def _escaped(text: str) -> str:
    """Text in which Slack sees no mention and no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
