"""Windows of limits: a rolling time, or a calendar day, week or month of a time zone.

A rolling window is cut into slices. What was granted in a slice counts until all of it, and the leases that began in
it, lie out of the window: so no window of that length ever holds more than the limit (decision 72).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property
from typing import Final, Literal
from zoneinfo import ZoneInfo

Calendar = Literal["day", "week", "month"]
CALENDARS: Final[tuple[Calendar, ...]] = ("day", "week", "month")

LONGEST_LEASE: Final = 30.0  # seconds
_SHORTEST_LEASE: Final = 1.0
_SLICES: Final = 60
_DAYS_OF_WEEK: Final = 7
_MONTHS: Final = 12


@dataclass(frozen=True)
class Window:
    """A rolling window of `seconds`, or a calendar one. `text` is how the configuration writes it."""

    text: str
    seconds: float = 0.0
    calendar: Calendar | None = None
    zone: str = "UTC"

    @cached_property
    def slice(self) -> float:
        """Return the seconds of a slice; 0 for a calendar window, which is one slice."""
        return self.seconds / _SLICES

    @cached_property
    def lease(self) -> float:
        """Return the seconds for which a lease may be used."""
        return LONGEST_LEASE if self.calendar else min(LONGEST_LEASE, max(_SHORTEST_LEASE, self.slice))

    def period(self, now: float) -> tuple[int, int] | None:
        """Return the calendar period around `now`, as Unix seconds of its begin and end; None for a rolling window."""
        if self.calendar is None:
            return None
        zone = UTC if self.zone == "UTC" else ZoneInfo(self.zone)
        day = datetime.fromtimestamp(now, zone).date()
        if self.calendar == "day":
            begin, end = day, day + timedelta(days=1)
        elif self.calendar == "week":
            begin = day - timedelta(days=day.weekday())
            end = begin + timedelta(days=_DAYS_OF_WEEK)
        else:
            begin = day.replace(day=1)
            years, month = divmod(begin.month, _MONTHS)
            end = begin.replace(year=begin.year + years, month=month + 1)
        return _midnight(begin, zone), _midnight(end, zone)


def _midnight(day: date, zone: tzinfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())
