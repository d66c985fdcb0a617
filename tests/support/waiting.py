"""Waiting for what must come in time."""

import asyncio
from collections.abc import Callable

SOON = 20.0  # seconds; what is awaited takes a fraction of one, the rest is for a busy machine


async def within(seconds: float, condition: Callable[[], bool]) -> None:
    """Wait until the condition holds. Raises TimeoutError when it does not in so many seconds."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)
