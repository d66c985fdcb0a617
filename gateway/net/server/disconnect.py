"""Presence of a call's client, reported at once, without a task or a `receive()` to watch it."""

from collections.abc import Callable

EXTENSION = "serinus.departure"
"""The key in `scope["extensions"]` under which each request carries its `Departure`."""


class Departure:
    """Set off when the client leaves, or is cut off, before its answer is complete.

    `gone` stays False when the answer was complete before the client left. One callback at most is kept.
    """

    __slots__ = ("_callback", "gone")

    def __init__(self) -> None:
        self.gone = False
        self._callback: Callable[[], object] | None = None

    def when_gone(self, callback: Callable[[], object]) -> None:
        """Call `callback` synchronously when the client leaves; now, when it already left. Replaces an earlier one."""
        if self.gone:
            callback()
        else:
            self._callback = callback

    def forget(self) -> None:
        """Drop the callback: nobody waits for this client any more."""
        self._callback = None

    def happen(self) -> None:
        """The client is gone. For the server to call; a second time does nothing."""
        self.gone = True
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()
