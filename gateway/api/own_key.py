"""`GET /keys/self`: what a key may call and spend, for whoever holds it."""

import math
from datetime import UTC, datetime

from gateway.api.endpoint import Endpoint, caller_of, send_json
from gateway.limits.view import limits_view, refresh
from gateway.net.asgi import Receive, Scope, Send


class OwnKey(Endpoint):
    """The caller's key: its name and scope, and its limits with what is used and left of them."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller, limits = caller_of(scope), self.services.proxy.limits
        holders = limits.holders(caller)
        await refresh(limits, holders)
        models = None if caller.models is None else [str(pattern) for pattern in caller.models]
        await send_json(
            send,
            {
                "name": caller.name,
                "group": caller.group,
                "agents": None if caller.agents is None else sorted(caller.agents),
                "models": models,
                "expires": self._expires(caller.name),
                "limits": limits_view(holders, self.services.proxy.clock.unix()),
            },
        )

    def _expires(self, caller: str) -> str | None:
        """Return the day from which the caller's keys are refused, None for never."""
        at = self.services.runtime.doorkeeper.expires(caller)
        return None if at == math.inf else datetime.fromtimestamp(at, UTC).date().isoformat()
