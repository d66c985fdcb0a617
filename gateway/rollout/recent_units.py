"""The units of one agent that a replica remembers, bounded by generations, and what it knows of the other replicas."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from routing.plan import Beginning, Split

GENERATIONS = 4  # each half of `idle` long: what was used within `idle` is known, what is silent for twice that is not
SETTLE_SECONDS = 2.0  # a step waits so long for new units where other replicas serve; longer than a poll of the records
LONGEST_SETTLE_SECONDS = 10.0  # and so long for a replica that is alive, and does not say that it has seen the step
LIVE_SECONDS = 10.0  # a replica that was heard so shortly before a step is alive
SEEN = "seen"  # in place of a version's digest: no units have begun, their replica has seen the step
PAIRED = "paired"  # in place of `Beginning.drawn`: each unit is followed by the id of the one that drew its arm
ID_DIGITS = 16  # of a unit's id
_MOST_REPLICAS = 100
_FEW = 1_000  # of what waits to be told, which is never too much


class Begun(NamedTuple):
    """Units of one agent that began at the same place; each by its `unit_id`, or two of them where it is `PAIRED`."""

    agent: str
    beginning: Beginning
    units: Sequence[str]


class RecentUnits:
    """The units of one agent that were served lately, by `unit_id`. `unsaid` is what the other replicas do not know.

    `split` is the latest that was seen, `since` when its step was first seen here, and `before` the split until then.
    `heard_until` is when nothing of other replicas is remembered any more. `heard_at` says when each other replica was
    last heard, `seen` which step it has seen, and `seen_at` when one of them was last heard to have seen the latest.
    """

    __slots__ = (
        *("before", "half", "heard_at", "heard_until", "newest", "older", "seen", "seen_at", "since", "split"),
        *("turns_at", "unsaid"),
    )

    def __init__(self, idle: float, at: float) -> None:
        self.half = idle / 2
        self.newest: dict[str, Beginning] = {}
        self.older: deque[dict[str, Beginning]] = deque(maxlen=GENERATIONS - 1)
        self.turns_at = at + self.half
        self.unsaid: dict[Beginning, list[str]] = {}
        self.split: Split | None = None
        self.before: Split | None = None
        self.since = at
        self.heard_until = at
        self.heard_at: dict[str, float] = {}
        self.seen: dict[str, int] = {}
        self.seen_at = at

    def see(self, split: Split, at: float) -> bool:
        """Notice that a step has begun, which the others are to hear; return whether it is news."""
        is_news = self.split is None or self.split.step != split.step
        if is_news:
            self.before, self.since = self.split, at
        self.split = split
        if is_news:
            self.say_seen()
        return is_news

    def hear(self, replica: str, at: float) -> None:
        """Notice that another replica is there."""
        if len(self.heard_at) >= _MOST_REPLICAS:
            self.heard_at = {name: heard for name, heard in self.heard_at.items() if at - heard < LIVE_SECONDS}
            self.seen = {name: step for name, step in self.seen.items() if name in self.heard_at}
        self.heard_at[replica] = at

    def hear_seen(self, replica: str, step: int, at: float) -> None:
        """Notice that another replica has seen a step."""
        self.seen[replica] = max(step, self.seen.get(replica, 0))
        if self.split is not None and step == self.split.step:
            self.seen_at = at

    def is_settling(self, at: float, heard_again_at: float) -> bool:
        """Return whether new units still begin in the step before, because another replica may not know of this one.

        That is for some seconds after the last replica was heard to have seen it, and until all that are alive were.
        """
        if self.before is None or self.split is None or at >= self.heard_until:
            return False
        if at - max(self.since, self.seen_at, heard_again_at) < SETTLE_SECONDS:
            return True
        return at - max(self.since, heard_again_at) < LONGEST_SETTLE_SECONDS and self._is_unseen(self.split.step)

    def _is_unseen(self, step: int) -> bool:
        """Return whether a replica that was heard shortly before the step has not said that it has seen it."""
        return any(
            self.since - heard < LIVE_SECONDS and self.seen.get(name, 0) < step for name, heard in self.heard_at.items()
        )

    def say_seen(self) -> None:
        """Tell the others which step was seen here."""
        if self.split is not None:
            self.unsaid.setdefault(Beginning(self.split.step, SEEN), [])

    def turn(self, at: float) -> None:
        """Begin new generations for the time that has passed."""
        for _ in range(GENERATIONS):
            if at < self.turns_at:
                return
            self._begin_generation(self.turns_at)
        self.turns_at = at + self.half

    def find(self, unit: str) -> Beginning | None:
        """Return where the unit began, and take it over into the newest generation."""
        for generation in reversed(self.older):
            begun = generation.get(unit)
            if begun is not None:
                self.note(unit, begun)
                return begun
        return None

    def note(self, unit: str, begun: Beginning) -> None:
        """Remember the unit, and that the others are to hear of it."""
        self.put(unit, begun)
        self._say(unit, begun)

    def _say(self, unit: str, begun: Beginning) -> None:
        """Let the others hear of the unit, together with all that began at the same place."""
        if begun.drawn:
            unit, begun = unit + begun.drawn, begun._replace(drawn=PAIRED)
        self.unsaid.setdefault(begun, []).append(unit)

    def put(self, unit: str, begun: Beginning) -> None:
        """Remember the unit."""
        self.newest[unit] = begun

    @property
    def size(self) -> int:
        """Return how many units are remembered; one of several generations counts in each."""
        return len(self.newest) + sum(map(len, self.older))

    def forget_oldest(self) -> None:
        """Forget the oldest generation before its time; where there is none, the first half of the newest."""
        while self.older:
            if self.older.popleft():
                return
        for unit in list(islice(self.newest, len(self.newest) // 2 + 1)):
            del self.newest[unit]

    def _begin_generation(self, at: float) -> None:
        self.older.append(self.newest)
        self.newest = {}
        self.turns_at = at + self.half

    def everything(self) -> dict[str, Beginning]:
        """Return all that is remembered, of each unit what is newest."""
        return {unit: begun for generation in (*self.older, self.newest) for unit, begun in generation.items()}

    @property
    def is_behind(self) -> bool:
        """Return whether more waits to be told than is remembered, because the store has been away for long."""
        return sum(map(len, self.unsaid.values())) > max(self.size, _FEW)

    def say_everything(self) -> None:
        """Tell the others all that is remembered, and nothing else."""
        self.unsaid.clear()
        for unit, begun in self.everything().items():
            self._say(unit, begun)
        self.say_seen()
