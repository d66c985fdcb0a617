"""The store's part for alerts: which fire, over all replicas, and who tells of a change; each is told once."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import orjson

from gateway.store.reaching import Reaching
from gateway.store.scripts import ALERTS

_KEY = "serinus:alerts"
_MOST, _KEEP_SECONDS = 500, 7 * 24 * 3600


class AlertChange(NamedTuple):
    """A change that this replica is to tell. `times` counts how often the alert began since it was last told."""

    change: Literal["firing", "over"]
    id: str
    times: int
    since: float
    said: str


class AlertSeam(Protocol):
    """The operation of the store on alerts."""

    async def settle_alerts(self, firing: Sequence[tuple[str, str]], window: float, hold: float) -> list[AlertChange]:
        """Note the alerts that fire here, by id and description; return the changes that nobody has told yet.

        An alert is told at most once in `window` seconds, and is over when no replica has seen it for `hold` seconds.
        """


class AlertStore:
    """The operation of `RedisStore` on alerts."""

    async def settle_alerts(
        self: Reaching, firing: Sequence[tuple[str, str]], window: float, hold: float
    ) -> list[AlertChange]:
        given = {"firing": list(firing), "window": window, "hold": hold, "most": _MOST, "keep": _KEEP_SECONDS}
        async with self._reach():
            found = await self._run(ALERTS, (_KEY,), (orjson.dumps(given),))
        return [AlertChange(change, id_, int(times), float(since), said) for change, id_, times, since, said in found]
