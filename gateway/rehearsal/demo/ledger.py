"""Ledger of the clients' calls; shares, changes of version and errors are counted from it."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_KEPT_CALLS = 20_000  # the story has some 4,000; gentle traffic afterwards may go on for hours
_KEPT_FLIPS = 1_000
_KEPT_PROBLEMS = 20  # different ones

Window = tuple[float, float]  # from, to: Unix seconds


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A call as its client saw it; times in Unix seconds.

    `version` is '' when nobody said who answered. `problem` is what an application would have had to catch, None
    when all went well.
    """

    conversation: int
    turn: int
    version: str
    started_at: float
    ended_at: float
    attempts: int = 1
    escalated: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Flip:
    """Two turns of one conversation, one after the other, that different versions served."""

    before: ClientCall
    after: ClientCall

    def spans(self, window: Window) -> bool:
        """Return whether the split was being changed between the two turns, or during one."""
        return self.before.started_at <= window[1] and window[0] <= self.after.ended_at


class Ledger:
    """The books of the traffic. Sums are over everything, what needs single calls is over the last 20,000.

    `rescued` counts the calls that failed at first and were answered well nonetheless.
    """

    def __init__(self) -> None:
        self.total = 0
        self.escalated = 0
        self.errors = 0
        self.rescued = 0
        self.problems: Counter[str] = Counter()
        self._calls: deque[ClientCall] = deque(maxlen=_KEPT_CALLS)
        self._flips: deque[Flip] = deque(maxlen=_KEPT_FLIPS)
        self._last: dict[int, ClientCall] = {}

    def record(self, call: ClientCall) -> None:
        """Book a call that has ended."""
        self.total += 1
        self.escalated += call.escalated
        self._calls.append(call)
        if call.problem is not None:
            self.errors += 1
            if call.problem in self.problems or len(self.problems) < _KEPT_PROBLEMS:
                self.problems[call.problem] += 1
            return
        self.rescued += call.attempts > 1
        before = self._last.get(call.conversation)
        if before is not None and before.version != call.version:
            self._flips.append(Flip(before, call))
        self._last[call.conversation] = call

    def forget(self, conversation: int) -> None:
        """Forget a conversation that is over."""
        self._last.pop(conversation, None)

    def since(self, start: float, end: float = float("inf")) -> list[ClientCall]:
        """The calls that were begun from `start` until before `end`."""
        return [call for call in self._calls if start <= call.started_at < end]

    def flips(self, changes: Sequence[Window] = ()) -> int:
        """Conversations that changed their version although nobody was changing the split meanwhile."""
        return sum(not any(flip.spans(change) for change in changes) for flip in self._flips)

    def rate(self, now: float, seconds: float = 3.0) -> float:
        """Return the calls per second that ended lately."""
        count = 0
        for call in reversed(self._calls):
            if call.ended_at < now - seconds:
                break
            count += 1
        return count / seconds


def shares(calls: Iterable[ClientCall]) -> dict[str, float]:
    """Each version's share of the calls that went well, from 0 to 1."""
    counts = Counter(call.version for call in calls if call.version)
    total = counts.total()
    return {version: count / total for version, count in counts.items()}


def openings(calls: Iterable[ClientCall]) -> Counter[str]:
    """Count the conversations that began on each version."""
    return Counter(call.version for call in calls if call.turn == 0 and call.version)
