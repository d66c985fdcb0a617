"""What is written in one turn of a busy loop goes out together."""

import asyncio
from typing import Any

from gateway.cork import MOST, Cork


class Sender:
    """Notes its number when it is flushed; one that is broken raises."""

    def __init__(self, number: int, flushed: list[int], broken: bool = False) -> None:
        self._number = number
        self._flushed = flushed
        self._broken = broken

    def flush(self) -> None:
        if self._broken:
            raise ValueError("broken")
        self._flushed.append(self._number)


async def busy() -> Cork:
    """A cork that has just seen a turn of two senders."""
    cork, loop = Cork(), asyncio.get_running_loop()
    for _ in range(2):
        cork.hold(Sender(0, []), loop)
    await asyncio.sleep(0)
    return cork


async def test_one_in_a_turn_is_flushed_at_once() -> None:
    """Nobody would go with it, so that it need not wait."""
    cork, loop, flushed = Cork(), asyncio.get_running_loop(), list[int]()
    for number in range(3):
        cork.hold(Sender(number, flushed), loop)
        assert flushed == list(range(number + 1))
        await asyncio.sleep(0)


async def test_all_of_a_busy_turn_are_flushed_after_it() -> None:
    """In the order in which they came, for as long as there are several."""
    cork, loop, flushed = await busy(), asyncio.get_running_loop(), list[int]()
    for _ in range(3):
        for number in range(3):
            cork.hold(Sender(number, flushed), loop)
        assert flushed == []
        await asyncio.sleep(0)
        assert flushed == [0, 1, 2]
        flushed.clear()


async def test_when_it_gets_quiet_nothing_is_held() -> None:
    """The first alone still waits for others, in vain; the next one does not."""
    cork, loop, flushed = await busy(), asyncio.get_running_loop(), list[int]()
    cork.hold(Sender(1, flushed), loop)
    assert flushed == []
    await asyncio.sleep(0)
    cork.hold(Sender(2, flushed), loop)
    assert flushed == [1, 2]


async def test_many_do_not_wait_for_the_end_of_the_turn() -> None:
    """Those that have come so far go out; those that follow are flushed after the turn."""
    cork, loop, flushed = await busy(), asyncio.get_running_loop(), list[int]()
    for number in range(MOST + 1):
        cork.hold(Sender(number, flushed), loop)
    assert flushed == list(range(MOST))
    await asyncio.sleep(0)
    assert flushed == list(range(MOST + 1))


async def test_one_that_fails_holds_up_nobody() -> None:
    """Its failure goes to the loop; all others are flushed."""
    cork, loop, flushed = await busy(), asyncio.get_running_loop(), list[int]()
    failures = list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    for number in range(5):
        cork.hold(Sender(number, flushed, broken=number in (0, 3)), loop)
    for _ in range(4):
        await asyncio.sleep(0)
    assert flushed == [1, 2, 4]
    assert [str(failure["exception"]) for failure in failures] == ["broken", "broken"]


async def test_who_comes_during_a_flush_is_flushed_too() -> None:
    """A sender that has another one write."""
    cork, loop, flushed = await busy(), asyncio.get_running_loop(), list[int]()

    class Chained(Sender):
        def flush(self) -> None:
            cork.hold(Sender(2, flushed), loop)
            super().flush()

    for _ in range(2):
        cork.hold(Chained(1, flushed), loop)
    for _ in range(2):
        await asyncio.sleep(0)
    assert flushed == [1, 1, 2, 2]
