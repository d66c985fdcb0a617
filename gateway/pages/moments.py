"""Moments in time as HTML: in UTC, for a script to write the reader's own time and how long ago."""

from datetime import UTC, datetime

from gateway.pages.html import Markup, tag


def seconds_of(text: str | None) -> float | None:
    """Return the Unix seconds of an RFC 3339 time; None for what is none."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return None


def rfc3339(at: float) -> str:
    """Return Unix seconds as RFC 3339 in UTC, in whole seconds."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def moment(text: str | None) -> Markup:
    """Return a `time` element for an RFC 3339 time, its UTC in words and on hover."""
    at = seconds_of(text)
    if at is None:
        return tag("span", text or "–")
    words = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return tag("time", words, datetime=rfc3339(at), title=words)


def axis_time(at: float, span: float) -> str:
    """Return a time as short as a span of so many seconds allows."""
    return f"{datetime.fromtimestamp(at, UTC):{'%d %b' if span > 172_800 else '%H:%M'}}"
