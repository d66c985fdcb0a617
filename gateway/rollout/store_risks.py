"""Risks of the store, looked for at the start and every minute: what may lose records while all is well yet."""

import asyncio
from contextlib import suppress

from gateway.errors import StoreAway
from gateway.logs import Log
from gateway.store.seam import Store

LOOK_SECONDS = 60.0


class StoreRisks:
    """The risks that were found last, one sentence each. A change is logged."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log
        self.found: tuple[str, ...] = ()

    async def look_for_ever(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Ask the server once. A store that is away is known by others, and changes nothing here."""
        with suppress(StoreAway):
            found = tuple(await self._store.risks())
            kinds = {_kind(risk) for risk in self.found}
            for risk in found:
                if _kind(risk) not in kinds:
                    self._log.warning("store_at_risk", risk=risk)
            if self.found and not found:
                self._log.warning("store_safe")
            self.found = found


def _kind(risk: str) -> str:
    """Return what a risk has in common with itself a minute later: its words without its figures."""
    return "".join(letter for letter in risk if not letter.isdigit())
