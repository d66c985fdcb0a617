"""The style that all commands share: rows, colours, times."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.output import TextRow, local_time, painted
from gateway.terminal import Palette

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def test_rows_are_cut_before_they_are_coloured() -> None:
    """So that a colour always ends, and nothing in a text is obeyed."""
    rows = [TextRow("abcdef\x1b[2J", "red"), TextRow("two\nlines"), TextRow()]
    assert painted(rows, Palette(True), 4) == "\x1b[31mabc…\x1b[0m\ntwo\nlin…\n"
    assert painted(rows, Palette()) == "abcdef\\x1b[2J\ntwo\nlines\n"


@pytest.mark.parametrize(("away", "length"), [(timedelta(), 8), (timedelta(days=3), 19)])
def test_times_are_the_persons_own(away: timedelta, length: int) -> None:
    """With the day where it is not today; from RFC 3339 and from Unix seconds alike."""
    moment = NOW - away
    expected = moment.astimezone()
    text = local_time(moment.isoformat().replace("+00:00", "Z"), NOW)
    assert text == local_time(moment.timestamp(), NOW) and len(text) == length
    assert text.endswith(f"{expected:%H:%M:%S}")


@pytest.mark.parametrize("odd", ["then", "", 1e30, float("nan")])
def test_what_is_no_time_is_shown_as_it_is(odd: str | float) -> None:
    """A gateway of another version may say anything."""
    assert local_time(odd) == str(odd)
