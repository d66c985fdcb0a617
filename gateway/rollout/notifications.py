"""Webhook notices of decisions, sent at least once, by any replica that is alive.

A notice belongs to the store until it has arrived, so when the replica that decided dies, another one delivers. The
receiver may see a notice twice, always under the same idempotency key. That a target is misconfigured is no decision:
the replica that meets it tells of it, under a key that all replicas share for an hour.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from gateway.errors import GatewayError, ProviderError, StoreAway
from gateway.logs import Log
from gateway.rollout.recorder import Clock
from gateway.rollout.table import Table
from gateway.rollout.target_faults import Fault
from gateway.store.seam import Notice, Store
from gateway.timings import USUAL, Timings
from gateway.webhook.webhook import Webhook

GIVE_UP_SECONDS = 24 * 3600.0
_AT_ONCE = 20
MISCONFIGURED = "misconfigured"
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

    def wants(self, event: Mapping[str, Any]) -> bool:
        return event["action"] in self.actions and (self.agents is None or event["agent"] in self.agents)


class Notices:
    """Delivers the notices of all agents. `receivers` follow the configuration."""

    def __init__(self, store: Store, table: Table, log: Log, clock: Clock, timings: Timings = USUAL) -> None:
        self._store = store
        self._table = table
        self._log = log
        self._clock = clock
        self._timings = timings
        self.receivers: Sequence[Receiver] = ()
        self._alarms: dict[str, tuple[Notice, int]] = {}

    def alarm(self, agent: str, target: str, fault: Fault) -> None:
        """Tell receivers, soon, that a target of the agent cannot serve for a reason that the configuration gives."""
        now = self._clock.unix()
        key = f"{MISCONFIGURED}:{target}:{int(now / _ALARM_SECONDS)}"
        event = {
            "at": f"{now:.3f}", "agent": agent, "action": MISCONFIGURED, "actor": "gateway", "target": target,
            "reason": f"{target} {fault.why}; {fault.way_out}",
        }  # fmt: skip
        if len(self._alarms) < _MOST_ALARMS:
            self._alarms.setdefault(key, (Notice(agent, "", key, event), 0))

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
            wanting = [receiver for receiver in self.receivers if receiver.wants(notice.event)]
            if await self._tell(notice, wanting) or self._is_stale(notice):
                await self._store.mark_delivered(notice)

    async def deliver_alarms(self) -> None:
        """Tell of what waits; what a receiver does not take is tried again a few times."""
        for key, (notice, tries) in list(self._alarms.items()):
            wanting = [receiver for receiver in self.receivers if receiver.wants(notice.event)]
            if await self._tell(notice, wanting) or tries + 1 >= _MOST_TRIES:
                del self._alarms[key]
            else:
                self._alarms[key] = (notice, tries + 1)

    async def _tell(self, notice: Notice, receivers: Iterable[Receiver]) -> bool:
        """Send the notice to the receivers; return whether all of them have it."""
        results = await asyncio.gather(*(self._post(notice, receiver) for receiver in receivers))
        return all(results)

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
    if event["action"] == MISCONFIGURED:
        return {"text": _escaped(f"{event['agent']}: {event['reason']}")}
    canary = (event.get("canary") or {}).get("version", "the canary")
    what = f"{event['agent']}: {str(event['action']).replace('_', ' ')} of {canary} by {event['actor']}"
    return {"text": _escaped(f"{what} (epoch {event['epoch_after']}). {event['reason']}")}


def _escaped(text: str) -> str:
    """Text in which Slack sees no mention and no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
