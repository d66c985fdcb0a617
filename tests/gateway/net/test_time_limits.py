"""The time limit of one await."""

import asyncio

import pytest

from gateway.net.time_limits import TimeLimit, TimeLimits


@pytest.mark.parametrize("seconds", [0.01, 0.0, -1.0])
async def test_what_takes_longer_is_ended(seconds: float) -> None:
    """With a TimeoutError, after which the task is not cancelled and goes on."""
    task = asyncio.current_task()
    with pytest.raises(TimeoutError), TimeLimit(TimeLimits(), seconds):
        await asyncio.sleep(60)
    assert task is not None and task.cancelling() == 0


async def test_what_is_in_time_is_left_alone() -> None:
    """The timer is gone with the block, and an error of the block's own passes."""
    with TimeLimit(TimeLimits(), 0.01):
        await asyncio.sleep(0)
    with pytest.raises(KeyError), TimeLimit(TimeLimits(), 0.01):
        raise KeyError
    await asyncio.sleep(0.05)


async def test_a_cancellation_from_elsewhere_is_none_of_its_business() -> None:
    """It goes through, even when the time runs out in the same moment."""

    async def limited() -> None:
        with TimeLimit(TimeLimits(), 0.0):
            await asyncio.sleep(60)

    task = asyncio.create_task(limited())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_it_is_for_a_task() -> None:
    """Nothing else could be cancelled; outside of a loop there is none."""
    with pytest.raises(RuntimeError), TimeLimit(TimeLimits(), 1.0):
        pass


async def test_each_limit_runs_out_in_its_own_time() -> None:
    """Though one timer serves them all: a shorter one that came later ends first, and one that was left long ago does
    not hold up the rest."""
    limits, ended, began = TimeLimits(), list[float](), asyncio.get_running_loop().time()

    async def limited(seconds: float) -> None:
        try:
            with TimeLimit(limits, seconds):
                await asyncio.sleep(60)
        except TimeoutError:
            ended.append(seconds)
            assert asyncio.get_running_loop().time() - began >= seconds

    async with asyncio.TaskGroup() as group:
        for seconds in (0.09, 0.03, 0.06, 0.0):
            group.create_task(limited(seconds))
        with TimeLimit(limits, 0.01):
            await asyncio.sleep(0)
    assert ended == [0.0, 0.03, 0.06, 0.09]
