"""Sums of calls by tally and time, as a batch holds them until it is flushed.

While the store is away the intervals widen, so that hours need no more memory than minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from gateway.calls import ArmName
from policies.evidence.tally import Tally

ArmOfSeries = ArmName | Literal[""]
CellKey = tuple[int, str, ArmOfSeries]
APART = "/apart"  # what follows a version's name in the tally of its pinned, rule-matched and passed calls
SHADOW = "/shadow"  # and in that of the copies it got as a shadow
MOST_CELLS = 96  # of one batch, as far as its tallies allow: two versions over an outage have 48 intervals


@dataclass(slots=True)
class Cells:
    """Tallies of one batch by interval, tally key and arm. Times are monotonic seconds.

    The first interval begins at `began`, and each lasts `width` seconds. `sent_at` is when the batch goes out.
    """

    width: float = 1.0
    began: float = 0.0
    sent_at: float = 0.0
    _tallies: dict[CellKey, Tally] = field(default_factory=dict)

    def tally(self, key: str, arm: ArmOfSeries, at: float) -> Tally:
        """Return the tally of that time, to be added to."""
        if not self._tallies:
            self.began = at
        cell = self._interval(at), key, arm
        tally = self._tallies.get(cell)
        if tally is None:
            tally = self._tallies[cell] = Tally()  # not by `setdefault`, for it is too dear to be made in vain
            if len(self._tallies) > MOST_CELLS:
                self._widen()
                tally = self._tallies[self._interval(at), key, arm]
        return tally

    def aged(self) -> Iterator[tuple[float, str, ArmOfSeries, Tally]]:
        """Return each tally with its age in seconds, its key and its arm, the oldest first."""
        for (interval, key, arm), tally in sorted(self._tallies.items(), key=_interval_of):
            yield max(0.0, self.sent_at - self.began - (interval + 0.5) * self.width), key, arm, tally

    def by_key(self) -> dict[str, Tally]:
        """Return the sums over all times and arms by tally key."""
        sums: dict[str, Tally] = {}
        for (_, key, _), tally in self._tallies.items():
            sums.setdefault(key, Tally()).merge(tally)
        return sums

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


def _interval_of(cell: tuple[CellKey, Tally]) -> int:
    return cell[0][0]
