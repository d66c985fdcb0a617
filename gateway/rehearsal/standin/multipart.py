"""Forms as bodies (RFC 7578): the fields of a request that uploads something."""

import re
from typing import NamedTuple

from .asks import refuse
from .wire import StandinRequest

BOUNDARY = re.compile(rb'boundary="?([^";,\s]+)', re.IGNORECASE)
NAME = re.compile(rb'[;\s]name="([^"]*)"')
FILENAME = re.compile(rb'filename="([^"]*)"')


class Field(NamedTuple):
    """A field of a form; `filename` is "" where it is no file."""

    name: str
    filename: str
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


def form_of(request: StandinRequest) -> dict[str, Field]:
    """The fields by name, the last of a name. Raises Refusal when the body is no form."""
    found = BOUNDARY.search(request.header(b"content-type") or b"")
    mark = b"--" + found[1] if found else b""
    parts = (b"\r\n" + request.body).split(b"\r\n" + mark) if mark else []
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        refuse("Could not parse multipart form")
    fields = (_field(part) for part in parts[1:-1])
    return {field.name: field for field in fields}


def _field(part: bytes) -> Field:
    head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    name, filename = NAME.search(head), FILENAME.search(head)
    if name is None:
        refuse("Could not parse multipart form")
    return Field(_text(name[1]), _text(filename[1]) if filename else "", data)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
