"""The last responses on each WebSocket that no provider has stored, all within one bound in bytes."""

from collections import OrderedDict

_MOST_RESPONSES = 4
_WIDEST = 4  # bytes of a character, where a text is not ASCII


class SocketMemories:
    """The memories of all sockets of a process, bounded in bytes; that which was used the longest ago goes first."""

    def __init__(self, most: int = 256 * 1024**2) -> None:
        self._most = most
        self._sizes: OrderedDict[SocketMemory, int] = OrderedDict()
        self._total = 0

    @property
    def size(self) -> int:
        """The bytes that are remembered now."""
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
        # Responses of one chain share the texts of most items.
        distinct = {id(text): text for items in self._items.values() for text in items}
        self._shared.note(self, sum(map(_size, distinct.values())))

    def clear(self) -> None:
        """Forget all responses, when others need the room."""
        self._items.clear()

    def close(self) -> None:
        """Forget all responses, and give back the room."""
        self.clear()
        self._shared.note(self, 0)


def _size(text: str) -> int:
    return len(text) if text.isascii() else _WIDEST * len(text)
