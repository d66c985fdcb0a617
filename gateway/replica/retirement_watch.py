"""Watch over the models in use that a provider ends: log lines, notices, and the dates that providers report.

None of it stands in a call's way. A retirement never stops a gateway or refuses a configuration: the fallback chain
serves what it can, and the people who run it hear of it two months before.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime

from gateway.config import Deployment
from gateway.errors import GatewayError, ProviderError, StoreAway
from gateway.logs import Log
from gateway.passthrough.model_list import fetch_models
from gateway.replica.retirements import PLAIN, aliased_targets, calendar, named_models, routed_targets
from gateway.retirements import ModelEnding, ReportedDates, RetirementCalendar
from gateway.rollout.notifications import RETIREMENT, Notices
from gateway.runtime import Channel, Runtime
from gateway.store.seam import Notice, Store
from gateway.timings import USUAL, Timings
from routing.models import MODELS

_DAY = 86_400.0
_MILESTONES = (0, 1, 3, 7, 14, 30, 60)  # days before the end at which receivers hear of it


class RetirementWatch:
    """Log lines and notices about models in use that end. `calendar` holds the dates under the present configuration.

    `called` returns the plain models that were called in the last seconds.
    """

    def __init__(
        self,
        store: Store,
        notices: Notices,
        log: Log,
        unix: Callable[[], float],
        called: Callable[[float], Iterable[str]],
        timings: Timings = USUAL,
    ) -> None:
        self._called = called
        self.calendar = RetirementCalendar()
        self._store = store
        self._notices = notices
        self._log = log
        self._unix = unix
        self._timings = timings
        self._reported = ReportedDates()
        self._used: dict[str, tuple[str, ...]] = {}
        self._channels: Mapping[str, Channel] = {}
        self._base_urls: dict[str, str] = {}
        self._said: dict[tuple[str, str, date], date] = {}
        self._asked_at: dict[str, float] = {}  # when receivers were last thought of, by the notice's key

    def follow(self, deployment: Deployment, runtime: Runtime) -> None:
        """Watch the models of that configuration from now on."""
        self._used = {name: tuple(routed_targets(agent)) for name, agent in deployment.agents.items()}
        self._used[MODELS] = (*named_models(deployment), *aliased_targets(deployment))
        self._base_urls = {name: provider.base_url for name, provider in deployment.settings.providers.items()}
        self._channels = runtime.channels
        self.calendar = calendar(deployment.settings, self._reported)

    def near(self, agent: str) -> list[ModelEnding]:
        """Return the agent's targets that have been retired, or will be within 60 days."""
        used = self._used.get(agent, ())
        if agent == MODELS:
            used = self._plain()
        return list(self.calendar.near(used, self._today()))

    def _plain(self) -> tuple[str, ...]:
        """Return the plain models that the configuration names, and those called within a day."""
        return tuple(dict.fromkeys((*self._used[MODELS], *self._called(_DAY))))

    async def look_for_ever(self) -> None:
        """Log the models that end, and notify receivers of them, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._timings.retirement_look)

    async def refresh_for_ever(self) -> None:
        """Ask providers for their dates now and then, until cancelled."""
        await asyncio.sleep(self._timings.first_model_list)
        while True:
            await self.refresh()
            await asyncio.sleep(self._timings.model_lists)

    async def look(self) -> None:
        """Log each retirement once a day, and notify receivers of it at its milestones."""
        for agent in self._used:
            for ending in self.near(agent):
                self._say(agent, ending)
                with suppress(StoreAway):  # the next look tells of it
                    await self._tell(agent, ending)

    async def refresh(self) -> None:
        """Take the dates that the providers in use report. What cannot be read changes nothing."""
        used = {target.partition("/")[0] for targets in (*self._used.values(), self._plain()) for target in targets}
        channels, base_urls = self._channels, self._base_urls
        for name in sorted(used & channels.keys()):
            if channels[name].endpoint.api.facts.tells_endings:
                await self._ask(name, channels[name], base_urls[name])

    async def _ask(self, name: str, channel: Channel, base_url: str) -> None:
        try:
            self._reported.take(base_url, await fetch_models(channel, self._timings.model_list))
        except (ProviderError, GatewayError) as error:
            self._log.info("model_list", provider=name, message=f"not read: {error}")

    def _say(self, agent: str, ending: ModelEnding) -> None:
        today, key = self._today(), (agent, ending.target, ending.on)
        if self._said.get(key) == today:
            return
        self._said[key] = today
        write = self._log.error if ending.is_over else self._log.warning
        event = "model_retired" if ending.is_over else "model_retires"
        write(
            event, agent=_shown(agent), target=ending.target, on=str(ending.on), days=ending.days, source=ending.source
        )

    async def _tell(self, agent: str, ending: ModelEnding) -> None:
        """Notify receivers that have not heard of this milestone; one replica at a time. Raises StoreAway."""
        milestone = next(each for each in _MILESTONES if ending.days <= each)
        key, now = f"{RETIREMENT}:{agent}:{ending.target}:{ending.on}:{milestone}", self._unix()
        if now - self._asked_at.get(key, -self._timings.retirement_tell) < self._timings.retirement_tell:
            return
        if not await self._store.lease(agent, self._timings.lease):
            return
        self._asked_at[key] = now
        event = {
            "at": f"{now:.3f}", "agent": _shown(agent), "action": RETIREMENT, "actor": "gateway",
            "target": ending.target, "on": str(ending.on), "days": ending.days, "reason": str(ending),
        }  # fmt: skip
        await self._notices.announce(Notice(agent, "", key, event))

    def _today(self) -> date:
        return datetime.fromtimestamp(self._unix(), UTC).date()


def _shown(agent: str) -> str:
    return PLAIN if agent == MODELS else agent
