"""A cancellation that a library swallows while it waits for the store is not lost."""

import asyncio
from contextlib import suppress

import pytest

from gateway.store.faults import heeding_cancellation


async def swallow() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(5)


async def test_swallowed_cancellation_goes_on() -> None:
    """The task ends, although what it waited for returned as if nothing had happened."""

    async def work() -> None:
        with heeding_cancellation():
            await swallow()
        raise AssertionError("the cancellation was lost")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_earlier_cancellation_does_not_count() -> None:
    """A task that tidies up after its cancellation may still use the store."""

    async def work() -> str:
        await swallow()
        with heeding_cancellation():
            await asyncio.sleep(0)
        return "tidy"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "tidy"
