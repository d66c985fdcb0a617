"""Numbers of a ledger's questions: which of them the store has heard of, and what it must be told again.

A question without a reply may have been carried out or not, and a failover may lose what was acknowledged a second
ago. Each reply says which question of this replica the store had heard of before; what came after it is told again.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.store.limits import Grant

_KEPT: Final = 60.0  # seconds for which a change can be told again: the store knows a silent replica for twice as long
_NOW: Final = ""  # stands for the slice of the store's clock


class Question(NamedTuple):
    """A ledger's message to the store: see `limits.lua`."""

    ask: int
    wants: list[int]
    back: dict[str, int]
    charge: int
    number: int
    again: dict[str, int]

    @property
    def tells(self) -> bool:
        """Return whether it changes a count, whatever is granted."""
        return bool(self.back or self.charge or self.again)


@dataclass(slots=True)
class Journal:
    """The journal of one ledger. `number` is that of its last question; `unsure` has no reply, and changes a count;
    `again` are amounts by slice that the store has lost, and is to be told with the next question."""

    number: int = 0
    unsure: Question | None = None
    unsure_since: float = 0.0
    again: dict[str, int] = field(default_factory=dict)
    _sure: int = 0  # number of the last question that had a reply
    _changes: deque[tuple[int, float, dict[str, int]]] = field(default_factory=deque)

    @property
    def is_open(self) -> bool:
        """Return whether the store must be asked: to know of a question, or to be told again."""
        return self.unsure is not None or bool(self.again)

    def next_number(self) -> int:
        """Return the number of a new question."""
        self.number += 1
        return self.number

    def skip(self, had: int) -> int:
        """Return the number of the next question where the store has heard of later ones."""
        self.number = max(self.number, had)
        return self.next_number()

    def lose(self, asked: Question, sent_at: float) -> None:
        """Note that a question that was sent then has no reply."""
        if asked.tells:
            self.unsure, self.unsure_since = asked, sent_at

    def close(self, asked: Question, reply: Grant, now: float) -> Question | None:
        """Note the reply to a question. Return an earlier one that the store has not heard of."""
        while self._changes and self._changes[0][1] < now - _KEPT:
            self._changes.popleft()
        unheard, self.unsure = self.unsure, None
        if unheard is not None and unheard.number <= reply.had:
            self._note(unheard, now, "", 0)
            unheard = None
        elif unheard is not None and self.unsure_since < now - _KEPT:  # nobody knows: what it gave back counts as spent
            taken = {slice_: amount for slice_, amount in unheard.again.items() if amount > 0}
            unheard = unheard._replace(back={}, again=taken)
        if reply.had < self._sure:
            self._recall(reply.had)
        if unheard is not None:
            self._add_again(unheard.again)
        self._sure = asked.number
        self._note(asked, now, reply.slice, reply.granted)
        return unheard

    def _note(self, asked: Question, now: float, slice_: str, granted: int) -> None:
        changes = dict(asked.again)
        for each, amount in (
            (slice_, granted),
            (_NOW, asked.charge),
            *((old, -amount) for old, amount in asked.back.items()),
        ):
            if amount:
                changes[each] = changes.get(each, 0) + amount
        if changes:
            self._changes.append((asked.number, now, changes))

    def _recall(self, had: int) -> None:
        """Tell again what came after the last question that the store has heard of."""
        for number, _, changes in self._changes:
            if number > had:
                self._add_again(changes)
        self._changes = deque(each for each in self._changes if each[0] <= had)

    def _add_again(self, changes: dict[str, int]) -> None:
        for slice_, amount in changes.items():
            self.again[slice_] = self.again.get(slice_, 0) + amount
