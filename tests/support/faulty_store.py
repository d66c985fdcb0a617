"""A real store that fails as a test's script says, through the seam that the gateway knows.

`store.script("commit", lose_reply, deny)` spoils the next two commits; `with store.faulty("read", deny, agent=name):`
spoils each read of that agent meanwhile. A fault is what happens in place of the call, which it may still make.
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from gateway.errors import StoreAway
from gateway.store import RedisStore


@dataclass(frozen=True, slots=True)
class Operation:
    """What the store was asked to do; `await operation()` does it."""

    arguments: tuple[Any, ...]
    run: Callable[[], Awaitable[Any]]

    async def __call__(self) -> Any:
        return await self.run()


Fault = Callable[[Operation], Awaitable[Any]]


async def deny(_: Operation) -> None:
    """Nobody answers; nothing is done."""
    raise StoreAway("nobody answers")


async def lose_reply(operation: Operation) -> None:
    """It is done, and nobody hears of it."""
    await operation()
    raise StoreAway("the store did not answer in time")


async def stall(_: Operation) -> None:
    """Nothing comes, not even an error."""
    await asyncio.Event().wait()


def late(seconds: float) -> Fault:
    """It is done after so long."""

    async def fault(operation: Operation) -> Any:
        await asyncio.sleep(seconds)
        return await operation()

    return fault


def answer(value: Any) -> Fault:
    """Nothing is done, and this is the reply."""

    async def fault(_: Operation) -> Any:
        return value

    return fault


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """A fault of the calls of one method, of one agent's if it is named, for so many times or for ever."""

    method: str
    fault: Fault
    agent: str | None
    once: bool

    def is_meant(self, method: str, arguments: tuple[Any, ...]) -> bool:
        return method == self.method and self.agent in (None, *arguments[:1])


class FaultyStore(RedisStore):
    """`calls` counts the calls of each method, by name; those that failed, too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.calls = Counter[str]()
        self._script = list[_Entry]()

    def script(self, method: str, *faults: Fault, agent: str | None = None) -> None:
        """Let these faults befall the next calls, in this order."""
        self._script += [_Entry(method, fault, agent, once=True) for fault in faults]

    @contextmanager
    def faulty(self, *methods: str, fault: Fault = deny, agent: str | None = None) -> Iterator[None]:
        """Let the fault befall every call of these methods until the end of the block."""
        entries = [_Entry(method, fault, agent, once=False) for method in methods]
        self._script += entries
        try:
            yield
        finally:
            self._script = [entry for entry in self._script if entry not in entries]

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name.startswith("_") or not inspect.iscoroutinefunction(method):
            return method

        @wraps(method)
        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            operation = Operation(arguments, partial(method, *arguments, **options))
            fault = self._next(name, arguments)
            return await (fault(operation) if fault else operation())

        return call

    def turns(self) -> AsyncGenerator[str, None]:
        fault = self._next("turns", ())
        return _say_nothing(fault) if fault else super().turns()

    def _next(self, method: str, arguments: tuple[Any, ...]) -> Fault | None:
        for entry in self._script:
            if entry.is_meant(method, arguments):
                if entry.once:
                    self._script.remove(entry)
                return entry.fault
        return None


async def _say_nothing(fault: Fault) -> AsyncGenerator[str, None]:
    async def nothing() -> None: ...

    await fault(Operation((), nothing))
    yield ""
