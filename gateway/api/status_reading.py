"""Reading of the status as far as its reader may see it; JSON, pages and the stream of events share this."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from time import time
from typing import Any

from gateway import __version__
from gateway.api.endpoint import Services
from gateway.auth import OPEN
from gateway.calls import Caller
from gateway.limits.limit_view import LimitView
from gateway.limits.reservations import Holder
from gateway.limits.view import read_limits
from gateway.rollout.status_view import ConfigView, GatewayView, StatusView, StoreView
from gateway.views import timestamp
from routing.chain import Target

_REFUSED = "the files are refused; the operator's status says why"
_AWAY = "the store does not answer"
_OF_CALLERS = ("key", "group")  # the levels of limits that are of callers; all others are of agents
_LIMITS_SECONDS = 5.0  # for which a page shows what was heard of a limit


class StatusReading:
    """The status, read for one reader at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def known(self, reader: Caller) -> list[str]:
        """Return the agents that the reader may see."""
        return [agent for agent in self._services.table if reader.may_call(agent)]

    async def overview(self, reader: Caller) -> StatusView:
        """Return the status of all agents and plain models that the reader may see."""
        view = await self.of_agents(self.known(reader), reader, with_callers=True)
        return replace(view, **await self._models(reader))

    async def of_agents(self, names: Sequence[str], reader: Caller, *, with_callers: bool = False) -> StatusView:
        """Return the status of those agents, which the reader may see; with the limits of keys and groups on demand.

        A key sees neither what is wrong with files or the store, which quotes prompts, paths and addresses, nor, if it
        is limited, circuits of targets that none of its agents calls.
        """
        services = self._services
        agents = await services.status.agents(names)
        error, store_error = services.config_error(), services.controller.store_error
        risks = services.controller.risks.found if reader is OPEN else ()
        if reader is not OPEN:
            error, store_error = error and _REFUSED, store_error and _AWAY
        gateway = GatewayView(
            version=__version__,
            replica=services.replica,
            config=ConfigView(services.runtime.digest, timestamp(services.loaded_at), error),
            store=StoreView(services.backend, services.controller.store_ok, store_error, risks),
            circuits=self._circuits(reader),
            shadows=services.proxy.shadows.view(),
            refused=dict(services.refusals.counts),
            overload=services.overload.view(),
        )
        limits = await self._limits(names, reader, with_callers=with_callers)
        return StatusView(timestamp(time()), gateway, agents, limits=tuple(limits))

    async def _limits(self, names: Collection[str], reader: Caller, *, with_callers: bool) -> list[LimitView]:
        """Return the limits of the agents, and of the keys and groups that the reader may see: a key, its own."""
        proxy, agents = self._services.proxy, frozenset(names)
        if not proxy.limits.is_on:
            return []

        def is_shown(holder: Holder) -> bool:
            level = holder.rules.level
            if level not in _OF_CALLERS:
                return holder.name.partition("/")[0] in agents
            own = {"key": reader.name, "group": reader.group}
            return with_callers and (reader is OPEN or own[level] == holder.name)

        return await read_limits(proxy.limits, proxy.clock.unix(), is_shown, _LIMITS_SECONDS)

    def _circuits(self, reader: Caller) -> dict[str, str]:
        """Return the circuits that are not closed, by target."""
        states = self._services.proxy.attempts.circuits.states()
        if not reader.is_limited:
            return dict(states)
        entries = filter(None, map(self._services.table.entry, self.known(reader)))
        called: set[object] = set()
        for entry in entries:
            called.update(version.target for version in entry.agent.versions.values())
            called.update(entry.agent.fallback)
        seen = set(map(str, called))
        return {target: state for target, state in states.items() if target in seen or _is_named(reader, target)}

    async def _models(self, reader: Caller) -> dict[str, Any]:
        """The members of the status that are of plain models, those that the reader's key may call."""
        names, status = self._services.runtime.names, self._services.status
        if not names.models and not names.aliases and reader.models is None:
            return {}

        def is_shown(name: str) -> bool:
            return reader.may_use(Target(*name.partition("/")[::2]))

        sums = {name: sums for name, sums in (await status.models()).items() if is_shown(name)}
        return {
            "models": sums,
            "unpriced_models": tuple(filter(is_shown, status.unpriced_models())),
            "model_retirements": tuple(each for each in status.model_retirements() if is_shown(each.target)),
        }


def _is_named(reader: Caller, target: str) -> bool:
    """Return whether the reader's key is limited to plain models of which this is one."""
    return reader.models is not None and reader.may_use(Target(*target.partition("/")[::2]))
