"""Sums of calls by tally and time, as a batch holds them until it is flushed.

While the store is away the intervals widen, so that hours need no more memory than minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from gateway.calls import ArmName
from policies.evidence.tally import Tally

ArmOfSeries = ArmName | Literal[""]
COST_SUMS = 8  # of a row of costs
CellKey = tuple[int, str, ArmOfSeries]
APART = "/apart"  # what follows a version's name in the tally of its pinned, rule-matched and passed calls
SHADOW = "/shadow"  # and in that of the copies it got as a shadow
MOST_CELLS = 96  # of one batch, as far as its tallies allow: two versions over an outage have 48 intervals


# Version, caller, target, and the part of the costs: '' for answers, or why the attempt was made beside those.
CostRow = tuple[str, str, str, str]
MOST_CONVERSATIONS = 2_000  # of one interval; what would be one more is missing among the conversations' costs


@dataclass(slots=True)
class Spending:
    """Costs of one interval's calls. `rows` hold the sums in the order of `gateway.store.costs.SUMS`.

    `conversations` hold what each has cost, in nano-USD, by version and conversation, and the latest call's id.
    """

    rows: dict[CostRow, list[int]] = field(default_factory=dict)
    conversations: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def row(self, key: CostRow) -> list[int]:
        """Return the sums of that row, to be added to."""
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = [0] * COST_SUMS
        return row

    def add_conversation(self, version: str, conversation: str, nano_usd: int, call_id: str) -> None:
        """Add what a call of that conversation has cost."""
        key = version, conversation
        held = self.conversations.get(key)
        if held is not None or len(self.conversations) < MOST_CONVERSATIONS:
            self.conversations[key] = (nano_usd + (held[0] if held else 0), call_id)

    def merge(self, other: "Spending") -> None:
        """Add the sums of another interval, which came later."""
        for key, amounts in other.rows.items():
            row = self.row(key)
            for place, amount in enumerate(amounts):
                row[place] += amount
        for (version, conversation), (nano_usd, call_id) in other.conversations.items():
            self.add_conversation(version, conversation, nano_usd, call_id)


@dataclass(slots=True)
class Cells:
    """Tallies of one batch by interval, tally key and arm. Times are monotonic seconds.

    The first interval begins at `began`, and each lasts `width` seconds. `sent_at` is when the batch goes out.
    """

    width: float = 1.0
    began: float = 0.0
    sent_at: float = 0.0
    _tallies: dict[CellKey, Tally] = field(default_factory=dict)
    _spending: dict[int, Spending] = field(default_factory=dict)

    def tally(self, key: str, arm: ArmOfSeries, at: float) -> Tally:
        """Return the tally of that time, to be added to."""
        if not self._tallies:
            self.began = float(int(at))  # calls that are added up together are of one whole second
        cell = self._interval(at), key, arm
        tally = self._tallies.get(cell)
        if tally is None:
            tally = self._tallies[cell] = Tally()  # not by `setdefault`, for it is too dear to be made in vain
            if len(self._tallies) > MOST_CELLS:
                self._widen()
                tally = self._tallies[self._interval(at), key, arm]
        return tally

    def sums(self, key: str, arm: ArmOfSeries, at: float) -> tuple[Tally, Spending]:
        """Return the tally of that time, and what its calls have cost, to be added to."""
        interval = self._interval(at)
        tally, spending = self._tallies.get((interval, key, arm)), self._spending.get(interval)
        if tally is None or spending is None:
            return self.tally(key, arm, at), self.spending(at)
        return tally, spending

    def spending(self, at: float) -> Spending:
        """Return what calls of that time have cost, to be added to; `tally` was asked for the same time before."""
        interval = self._interval(at)
        spending = self._spending.get(interval)
        if spending is None:
            spending = self._spending[interval] = Spending()
        return spending

    def aged_spending(self) -> Iterator[tuple[float, Spending]]:
        """Return what calls have cost, each with its age in seconds, the oldest first."""
        for interval in sorted(self._spending):
            yield self._age(interval), self._spending[interval]

    def aged(self) -> Iterator[tuple[float, str, ArmOfSeries, Tally]]:
        """Return each tally with its age in seconds, its key and its arm, the oldest first."""
        for (interval, key, arm), tally in sorted(self._tallies.items(), key=_interval_of):
            yield self._age(interval), key, arm, tally

    def by_key(self) -> dict[str, Tally]:
        """Return the sums over all times and arms by tally key."""
        sums: dict[str, Tally] = {}
        for (_, key, _), tally in self._tallies.items():
            sums.setdefault(key, Tally()).merge(tally)
        return sums

    def _age(self, interval: int) -> float:
        return max(0.0, self.sent_at - self.began - (interval + 0.5) * self.width)

    def _interval(self, at: float) -> int:
        return max(0, int((at - self.began) / self.width))

    def _widen(self) -> None:
        """Merge intervals in pairs until half of the room is free, or one interval is left."""
        while len(self._tallies) > MOST_CELLS // 2 and any(interval for interval, _, _ in self._tallies):
            self.width *= 2
            cells, self._tallies = self._tallies, {}
            for (interval, key, arm), tally in cells.items():
                wider = interval // 2, key, arm
                if wider in self._tallies:
                    self._tallies[wider].merge(tally)
                else:
                    self._tallies[wider] = tally
            spending, self._spending = self._spending, {}
            for interval in sorted(spending):
                self._spending.setdefault(interval // 2, Spending()).merge(spending[interval])


def _interval_of(cell: tuple[CellKey, Tally]) -> int:
    return cell[0][0]
