"""What is written in one turn of a busy loop goes out together."""

import asyncio
from typing import Any

from gateway.net.write_batching import MOST, Cork


class Sender:
    """Notes its number when it writes; one that is broken raises."""

    def __init__(self, number: int, written: list[int], broken: bool = False) -> None:
        self._number = number
        self._written = written
        self._broken = broken

    def write(self, cork: Cork) -> None:
        if not cork.holds(self, asyncio.get_running_loop()):
            self.flush()

    def flush(self) -> None:
        if self._broken:
            raise ValueError("broken")
        self._written.append(self._number)


async def busy() -> Cork:
    """A cork that has just seen a turn of two senders."""
    cork = Cork()
    for _ in range(2):
        Sender(0, []).write(cork)
    await asyncio.sleep(0)
    return cork


async def test_one_in_a_turn_writes_at_once() -> None:
    """Nobody would go with it, so that it need not wait."""
    cork, written = Cork(), list[int]()
    for number in range(3):
        Sender(number, written).write(cork)
        assert written == list(range(number + 1))
        await asyncio.sleep(0)


async def test_all_of_a_busy_turn_write_after_it() -> None:
    """In the order in which they came, for as long as there are several."""
    cork, written = await busy(), list[int]()
    for _ in range(3):
        for number in range(3):
            Sender(number, written).write(cork)
        assert written == []
        await asyncio.sleep(0)
        assert written == [0, 1, 2]
        written.clear()


async def test_when_it_gets_quiet_nothing_is_held() -> None:
    """The first alone still waits for others, in vain; the next one does not."""
    cork, written = await busy(), list[int]()
    Sender(1, written).write(cork)
    assert written == []
    await asyncio.sleep(0)
    Sender(2, written).write(cork)
    assert written == [1, 2]


async def test_one_that_writes_alone_is_not_counted() -> None:
    """Its turns need no end; when others write in its turn, the next turn is a busy one all the same."""
    cork, written = Cork(), list[int]()
    alone = Sender(1, written)
    for _ in range(3):
        alone.write(cork)
        await asyncio.sleep(0)
    for sender in (alone, Sender(2, written), Sender(3, written)):
        sender.write(cork)
    assert written == [1, 1, 1, 1, 2, 3]
    await asyncio.sleep(0)
    alone.write(cork)
    assert written[6:] == []
    await asyncio.sleep(0)
    assert written[6:] == [1]


async def test_many_do_not_wait_for_the_end_of_the_turn() -> None:
    """Those that have come so far go out when one more comes; the rest after the turn."""
    cork, written = await busy(), list[int]()
    for number in range(MOST + 2):
        Sender(number, written).write(cork)
    assert written == list(range(MOST))
    await asyncio.sleep(0)
    assert written == list(range(MOST + 2))


async def test_one_that_fails_holds_up_nobody() -> None:
    """Its failure goes to the loop; all others write."""
    cork, written = await busy(), list[int]()
    failures = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    for number in range(5):
        Sender(number, written, broken=number in (0, 3)).write(cork)
    for _ in range(4):
        await asyncio.sleep(0)
    assert written == [1, 2, 4]
    assert [str(failure["exception"]) for failure in failures] == ["broken", "broken"]


async def test_who_comes_during_a_flush_is_not_forgotten() -> None:
    """A sender that has another one write."""
    cork, written = await busy(), list[int]()

    class Chained(Sender):
        def flush(self) -> None:
            Sender(2, written).write(cork)
            super().flush()

    for _ in range(2):
        Chained(1, written).write(cork)
    for _ in range(3):
        await asyncio.sleep(0)
    assert written == [1, 1, 2, 2]
