"""Members of a query string, read strictly: an unknown one is an error, a time is one ago or by RFC 3339."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from urllib.parse import parse_qs

from gateway.errors import CallerError
from gateway.net.asgi import Scope

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_AGO = re.compile(r"([0-9]{1,7})([smhd])", re.ASCII)


def read_query(scope: Scope, known: Collection[str]) -> dict[str, str]:
    """Return the members of the query, the last of several of one name. Raises CallerError for an unknown one."""
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if unknown := [name for name in given if name not in known]:
        raise CallerError(f"unknown parameter {unknown[0]!r}; known: {', '.join(known)}", param=unknown[0])
    return {name: values[-1] for name, values in given.items()}


def read_time(given: Mapping[str, str], name: str, now: float, usual: float) -> float:
    """Return a time in Unix seconds, written as how long ago it is, or by RFC 3339."""
    text = given.get(name)
    if text is None:
        return usual
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a `+` in a query is a space
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    raise CallerError(f"`{name}` must be a time ago, such as 1h or 30d, or by RFC 3339, not {text!r}", param=name)
