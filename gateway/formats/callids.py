"""Ids of function calls as a provider takes them, the same for a call and for its result in every later turn."""

from collections import deque

from gateway.formats.limits import FormatLimits


class CallIds:
    """Fits the ids of one conversation, which are to be told in the order in which it says them.

    Where ids must be unique, a call whose id was used before gets another, and so does its result.
    """

    __slots__ = ("_count", "_last", "_open", "_spelling", "_turn", "_unique", "_used")

    def __init__(self, limits: FormatLimits) -> None:
        self._spelling = limits.call_id
        self._unique = limits.unique_ids
        self._turn = 0
        self._used: set[str] = set()
        self._count: dict[str, int] = {}
        self._last: dict[str, str] = {}
        self._open: dict[str, deque[tuple[int, str]]] = {}  # the turn and the fitted id of calls without a result

    def next_turn(self) -> None:
        """The model's next turn begins."""
        self._turn += 1

    def call(self, id: str) -> str:
        """The id of the next call."""
        if not self._unique:
            return self._spelling.fit(id)
        repetition = self._count.get(id, 0)
        fitted = self._spelling.fit(id, repetition)
        while fitted in self._used:
            repetition += 1
            fitted = self._spelling.fit(id, repetition)
        self._count[id] = repetition + 1
        self._used.add(fitted)
        self._last[id] = fitted
        self._open.setdefault(id, deque()).append((self._turn, fitted))
        return fitted

    def result(self, id: str) -> str:
        """The id of the call that the next result answers: the first open one of this id in the latest turn."""
        waiting = self._open.get(id)
        if not waiting:
            return self._last.get(id) or self._spelling.fit(id)
        latest = waiting[-1][0]
        while waiting[0][0] != latest:
            waiting.popleft()
        return waiting.popleft()[1]
