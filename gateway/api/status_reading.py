"""Reading of the status as far as its reader may see it; JSON, pages and the stream of events share this."""

from collections.abc import Sequence
from dataclasses import replace
from time import time
from typing import Any

from gateway import __version__
from gateway.api.endpoint import Services
from gateway.calls import Caller
from gateway.rollout.status_view import ConfigView, GatewayView, StatusView, StoreView
from gateway.views import timestamp
from routing.chain import Target


class StatusReading:
    """The status, read for one reader at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def known(self, reader: Caller) -> list[str]:
        """Return the agents that the reader may see."""
        return [agent for agent in self._services.table if reader.may_call(agent)]

    async def overview(self, reader: Caller) -> StatusView:
        """Return the status of all agents and plain models that the reader may see."""
        view = await self.of_agents(self.known(reader))
        return replace(view, **await self._models(reader))

    async def of_agents(self, names: Sequence[str]) -> StatusView:
        """Return the status of those agents."""
        services = self._services
        agents = await services.status.agents(names)
        gateway = GatewayView(
            version=__version__,
            replica=services.replica,
            config=ConfigView(services.runtime.digest, timestamp(services.loaded_at), services.config_error()),
            store=StoreView(services.backend, services.controller.store_ok, services.controller.store_error),
            circuits=services.proxy.attempts.circuits.states(),
            shadows=services.proxy.shadows.view(),
            refused=dict(services.refusals.counts),
        )
        return StatusView(timestamp(time()), gateway, agents)

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
