"""Sums by time in a batch: exact, aged by the clock by which calls end, and bounded however long they wait."""

import tracemalloc

from gateway.store.cells import MOST_CELLS, Cells
from policies.evidence.tally import Tally, histogram_bucket


def count(cells: Cells, at: float, key: str = "v1") -> None:
    cells.tally(key, "", at).requests += 1


def test_calls_of_a_second_are_one_cell() -> None:
    """Each tally key and arm apart; the age is that from the middle of the second."""
    cells = Cells(sent_at=103.5)
    for at in (100.0, 100.9, 102.2):
        count(cells, at)
    cells.tally("v1", "canary", 100.1).requests += 1
    aged = [(age, key, arm, tally.requests) for age, key, arm, tally in cells.aged()]
    assert aged == [(3.0, "v1", "", 2), (3.0, "v1", "canary", 1), (1.0, "v1", "", 1)]
    assert {key: tally.requests for key, tally in cells.by_key().items()} == {"v1": 4}


def test_no_age_is_below_zero() -> None:
    """A batch is sent within the second of its calls, and a call may end before one that was closed first."""
    cells = Cells(sent_at=100.1)
    count(cells, 100.0)
    count(cells, 97.0)
    assert [(age, tally.requests) for age, _, _, tally in cells.aged()] == [(0.0, 2)]


def test_hours_without_a_store_lose_no_call() -> None:
    """Intervals widen; what is lost is only when exactly a call ended."""
    cells = Cells()
    for second in range(5 * 3600):
        count(cells, 1000.0 + second, f"v{second % 2}")
    cells.sent_at = 1000.0 + 5 * 3600
    aged = list(cells.aged())
    assert len(aged) <= MOST_CELLS and sum(tally.requests for *_, tally in aged) == 5 * 3600
    mean = sum(age * tally.requests for age, _, _, tally in aged) / (5 * 3600)
    assert abs(mean - 2.5 * 3600) < cells.width and cells.width < 1000


def test_more_tallies_than_cells_are_all_kept() -> None:
    """Then there is one interval for them all, and no call is put into a time before the batch."""
    cells = Cells()
    for second in range(300):
        for number in range(200):
            count(cells, 50.0 + second, f"p/m{number}")
    cells.sent_at = 350.0
    assert {key: tally.requests for key, tally in cells.by_key().items()} == {f"p/m{n}": 300 for n in range(200)}
    assert all(0 <= age <= 600 for age, *_ in cells.aged())


def test_an_outage_of_a_day_takes_little_memory() -> None:
    """As much as one of half a day: a fraction of a megabyte for two busy versions."""

    def fill(hours: int) -> int:
        tracemalloc.start()
        cells = Cells()
        for second in range(0, hours * 3600, 5):
            tally: Tally = cells.tally(f"v{second % 2}", "", float(second))
            tally.latency[histogram_bucket(0.2 * 1.04 ** (second // 5 % 60))] += 1
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert fill(24) < min(1.3 * fill(12), 600_000)
