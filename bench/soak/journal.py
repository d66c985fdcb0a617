"""Journal of a run: what was done to whom and when, kept as one JSON object a line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time


@dataclass(slots=True)
class Entry:
    """A fault while it lasted. Times are Unix seconds; `until` is infinite while it lasts."""

    fault: str
    kind: str  # its lane
    target: str  # what it struck: a model, a replica's lifetime
    since: float
    until: float = float("inf")

    def touches(self, since: float, until: float) -> bool:
        """Return whether it lasted at some moment between these."""
        return self.since <= until and self.until >= since


@dataclass(slots=True)
class Journal:
    """Entries in the order in which they began, also in the file."""

    path: Path
    entries: list[Entry] = field(default_factory=list)

    @contextmanager
    def keep(self, fault: str, kind: str, target: str = "") -> Iterator[Entry]:
        """Note a fault for as long as it lasts."""
        entry = Entry(fault, kind, target, time())
        self.entries.append(entry)
        try:
            yield entry
        finally:
            entry.until = time()
            seconds = round(entry.until - entry.since, 3)
            self.note(fault, kind=kind, target=entry.target, since=entry.since, seconds=seconds)

    def note(self, event: str, **facts: object) -> None:
        """Write a line."""
        with self.path.open("a") as file:
            file.write(json.dumps({"at": round(time(), 3), "event": event, **facts}) + "\n")

    def of(self, kind: str, since: float, until: float) -> list[Entry]:
        """Return what of that kind lasted at some moment between these."""
        return [entry for entry in self.entries if entry.kind == kind and entry.touches(since, until)]
