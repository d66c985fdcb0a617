"""Forms as bodies (RFC 7578): one field found and changed in place, so that the bytes of files stay as they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import CallerError

_BOUNDARY = re.compile(rb'(?:^|[;\s])boundary=(?:"([^"]{1,70})"|([^";,\s]{1,70}))', re.IGNORECASE)  # RFC 2046, 5.1.1
_NAME = re.compile(rb'[;\s]name=(?:"([^"]*)"|([^";\s]+))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:(.*)$", re.IGNORECASE | re.MULTILINE)
_IS_FILE = re.compile(rb"[;\s]filename\*?=", re.IGNORECASE)
_MOST_HEAD_BYTES = 16 * 1024  # of one part's headers


@dataclass(frozen=True, slots=True)
class Field:
    """Where the value of a form's text field stands in the body."""

    value: str
    start: int
    end: int

    def replaced(self, body: bytes, value: str) -> bytes:
        """The same form with another value there."""
        return b"".join((body[: self.start], value.encode(), body[self.end :]))


def find_field(body: bytes, content_type: bytes, name: str) -> Field | None:
    """The text field of that name, None when there is none. Raises CallerError for what is no form or has two."""
    found: Field | None = None
    for head, start, end in _parts(body, _boundary(content_type)):
        if _name(head) != name.encode():
            continue
        if found is not None:
            raise CallerError(f"the form has more than one {name!r}", param=name)
        found = Field(_text(body[start:end], name), start, end)
    return found


def _boundary(content_type: bytes) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise CallerError("the form's content type has no boundary")
    boundary: bytes = found[1] or found[2]
    return boundary


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each part's headers, and where its content begins and ends."""
    mark = b"--" + boundary
    at = 0 if body.startswith(mark) else body.find(b"\r\n" + mark) + 2
    if not body.startswith(mark, at):
        raise CallerError("the form does not begin with its boundary")
    while not body.startswith(b"--", at + len(mark)):
        line_end = body.find(b"\r\n", at + len(mark))
        head_end = body.find(b"\r\n\r\n", line_end, line_end + _MOST_HEAD_BYTES) if line_end >= 0 else -1
        end = body.find(b"\r\n" + mark, head_end + 2) if head_end >= 0 else -1
        if end < 0:
            raise CallerError("the form ends in the middle of a part")
        yield body[line_end + 2 : head_end].replace(b"\r\n", b"\n"), min(head_end + 4, end), end
        at = end + 2


def _name(head: bytes) -> bytes | None:
    """The name of a part that is no file."""
    disposition = _DISPOSITION.search(head)
    if disposition is None or _IS_FILE.search(disposition[1]):
        return None
    found = _NAME.search(disposition[1])
    return None if found is None else found[1] if found[1] is not None else found[2]


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CallerError(f"{name!r} is not UTF-8", param=name) from None
