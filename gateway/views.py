"""Views as JSON: times in them, and reading one back; `gateway.api` writes views by `orjson` alone.

A view is a tree of frozen dataclasses whose members are those of the JSON. Members that this version does not know are
ignored, so that a newer gateway can be asked; a member that is missing is an error.
"""

from datetime import UTC, datetime
from typing import TypeVar

View = TypeVar("View")


class UnreadableView(ValueError):
    """A JSON value is not the view that was asked for; the message names the first member that does not fit."""


def read_view(kind: type[View], value: object) -> View:
    """Return the view of that kind in parsed JSON. Raises UnreadableView."""
    from pydantic import TypeAdapter, ValidationError  # slow to import, and whoever writes a view needs neither

    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        member = ".".join(map(str, first["loc"])) or "the whole"
        raise UnreadableView(f"{member}: {'missing' if first['type'] == 'missing' else first['msg']}") from None


def timestamp(unix: float) -> str:
    """Unix seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
