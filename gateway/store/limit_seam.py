"""The operation that limits need of the shared state."""

from collections.abc import Mapping
from typing import Protocol

from gateway.store.limits import Grant, LimitId


class LimitSeam(Protocol):
    """A part of `Store`."""

    async def grant(self, limit: LimitId, question: Mapping[str, object]) -> Grant:
        """Give back, charge and lease a limit in one step: see `limits.lua`. A repetition changes nothing."""
