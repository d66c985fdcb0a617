"""The report of a run: promises with figures, and the faults that were made, as tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.soak.faults import FAULTS
from bench.soak.journal import Journal

_SHOWN = 5  # examples of a broken promise


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. `holds` is None for what is only measured; `examples` say what broke it."""

    promise: str
    measured: str
    holds: bool | None
    examples: Sequence[str] = ()


def promise_lines(rows: Sequence[Row]) -> list[str]:
    """The promises as a table."""
    verdicts = {True: "holds", False: "**broken**", None: "measured"}
    lines = ["| promise | measured | |", "|---|---|---|"]
    return lines + [f"| {row.promise} | {row.measured} | {verdicts[row.holds]} |" for row in rows]


def fault_lines(journal: Journal, explained: Mapping[str, int]) -> list[str]:
    """The faults that were made as a table, with the errors of clients that each explains."""
    times = Counter(entry.fault for entry in journal.entries)
    seconds = Counter[str]()
    for entry in journal.entries:
        seconds[entry.fault] += round(entry.until - entry.since)
    lines = ["| fault | times | seconds | what clients may see | errors of clients |", "|---|---|---|---|---|"]
    for name, fault in sorted(FAULTS.items(), key=lambda each: (each[1].kind, each[0])):
        if times[name]:
            lines.append(f"| {name} | {times[name]} | {seconds[name]} | {fault.promise} | {explained.get(name, 0):,} |")
    return lines


def broken(rows: Sequence[Row]) -> list[str]:
    """What broke each promise that is broken, some examples of each."""
    return [
        line
        for row in rows
        if row.holds is False
        for line in (f"BROKEN: {row.promise}: {row.measured}", *(f"    {each}" for each in row.examples[:_SHOWN]))
    ]
