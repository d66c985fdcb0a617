"""The last responses on each WebSocket that no provider has stored, all within one bound in bytes."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

_MOST_RESPONSES = 4
_WIDEST = 4  # bytes of a character, where a text is not ASCII
_TEXT_BYTES = 64  # of memory that a text takes beside its characters
_PLACE_BYTES = 8  # of its place in a list
_RESPONSE_BYTES = 256


class SocketMemories:
    """The memories of all sockets of a process, bounded in bytes; the least recently used one is dropped first."""

    def __init__(self, most: int = 256 * 1024**2) -> None:
        self._most = most
        self._sizes: OrderedDict[SocketMemory, int] = OrderedDict()
        self._total = 0

    @property
    def size(self) -> int:
        """Return the bytes of memory in use."""
        return self._total

    def note(self, memory: "SocketMemory", size: int) -> None:
        """Take note of a memory's size, and let the oldest forget until all fit."""
        self._total += size - self._sizes.pop(memory, 0)
        if size:
            self._sizes[memory] = size
        while self._total > self._most:
            oldest, dropped = self._sizes.popitem(last=False)
            self._total -= dropped
            oldest.clear()


class SocketMemory:
    """The items of the last responses on one socket, by the response's id."""

    def __init__(self, shared: SocketMemories) -> None:
        self._shared = shared
        self._items: OrderedDict[str, list[str]] = OrderedDict()

    def find(self, name: object) -> list[str] | None:
        """Return the items that led to a response, its own included; None where it is not known here."""
        return self._items.get(name) if isinstance(name, str) else None

    def keep(self, name: str, items: list[str]) -> None:
        """Remember a response."""
        self._items[name] = items
        self._items.move_to_end(name)
        if len(self._items) > _MOST_RESPONSES:
            self._items.popitem(last=False)
        self._shared.note(self, self._measure())

    def clear(self) -> None:
        """Forget all responses, when others need the room."""
        self._items.clear()

    def close(self) -> None:
        """Forget all responses, and give back the room."""
        self.clear()
        self._shared.note(self, 0)

    def _measure(self) -> int:
        """Return the bytes of memory in use; responses of one chain share the texts that they begin with."""
        lists, size = list(self._items.values()), 0
        for number, (name, items) in enumerate(self._items.items()):
            common = max((_common(items, other) for other in lists[:number]), default=0)
            size += _RESPONSE_BYTES + _size(name) + _PLACE_BYTES * len(items)
            size += sum(map(_size, islice(items, common, None)))
        return size


def _common(items: Sequence[str], others: Sequence[str]) -> int:
    """Return the number of leading texts that both lists share as the same objects."""
    pairs = enumerate(zip(items, others, strict=False))
    return next((index for index, (one, other) in pairs if one is not other), min(len(items), len(others)))


def _size(text: str) -> int:
    return _TEXT_BYTES + (len(text) if text.isascii() else _WIDEST * len(text))
