"""Forms as bodies (RFC 7578), as they pass: one field found and changed, the bytes of files left as they are."""

import re
from collections.abc import Callable

from gateway.errors import CallerError

_BOUNDARY = re.compile(rb'(?:^|[;\s])boundary=(?:"([^"]{1,70})"|([^";,\s]{1,70}))', re.IGNORECASE)  # RFC 2046, 5.1.1
_NAME = re.compile(rb'[;\s]name=(?:"([^"]*)"|([^";\s]+))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:(.*)$", re.IGNORECASE | re.MULTILINE)
_IS_FILE = re.compile(rb"[;\s]filename\*?=", re.IGNORECASE)
_MOST_HEAD_BYTES = 16 * 1024  # of one part's headers, of what stands before the first part, and of the field's value


class Form:
    """One form, fed piece by piece. What `feed` gives may go on; it holds back what it cannot tell yet.

    It stops at the value of the text field `name` until `put` says what is to stand there; a value that is expected
    (`expect`) is put without stopping. `value_bytes` is by how much the form gets shorter without the value, `saw_file`
    whether a file has begun, `ended` whether the last boundary came.
    """

    def __init__(self, content_type: bytes, name: str) -> None:
        """Raises CallerError for a content type without a boundary."""
        self.value: str | None = None
        self.value_bytes = 0
        self.saw_file = self.ended = False
        self._name = name
        self._expected: bytes | None = None
        self._mark = b"\r\n--" + _boundary(content_type)
        # The first boundary need not follow a line's end: it is given one, which is taken back from what goes on.
        self._rest, self._ours = b"\r\n", 2
        self._out: list[bytes] = []
        self._step: Callable[[], bool] = self._preamble

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; what may go on. Raises CallerError for what is no form, or has the field twice."""
        self._rest += data
        while self._step():
            pass
        return self._taken()

    def put(self, value: str) -> bytes:
        """Have that value in place of the one it stopped at; what may go on."""
        self._out.append(value.encode())
        self._step = self._boundary
        return self.feed(b"")

    def expect(self, value: str) -> None:
        """Put that value wherever the field comes."""
        self._expected = value.encode()

    def let_go(self) -> bytes:
        """What was held back: nobody looks any further."""
        self._pass(len(self._rest))
        return self._taken()

    def end(self) -> None:
        """There is no more. Raises CallerError for a form that is not whole."""
        if self.ended:
            return
        if self._step == self._preamble:
            raise CallerError("the form does not begin with its boundary")
        raise CallerError("the form ends in the middle of a part")

    # Steps: each says whether the next one can be taken at once.

    def _preamble(self) -> bool:
        if self._content():
            return True
        if len(self._rest) > _MOST_HEAD_BYTES + len(self._mark):
            raise CallerError("the form does not begin with its boundary")
        return False

    def _content(self) -> bool:
        at = self._rest.find(self._mark)
        if at >= 0:
            self._pass(at)
            self._step = self._boundary
            return True
        if self._step != self._preamble and (safe := len(self._rest) - len(self._mark) + 1) > 0:
            self._pass(safe)
        return False

    def _boundary(self) -> bool:
        after = len(self._mark)
        if len(self._rest) < after + 2:
            return False
        if self._rest.startswith(b"--", after):
            self.ended = True
            self._step = self._epilogue
            return True
        line_end = self._rest.find(b"\r\n", after)
        head_end = self._rest.find(b"\r\n\r\n", line_end) if line_end >= 0 else -1
        if head_end < 0 or head_end > _MOST_HEAD_BYTES:
            if len(self._rest) > _MOST_HEAD_BYTES:
                raise CallerError("the headers of the form's parts do not end")
            return False
        self._begin(self._rest[line_end + 2 : head_end].replace(b"\r\n", b"\n"))
        self._pass(head_end + 2)  # the line's end that is left may be the beginning of the next boundary
        return True

    def _begin(self, head: bytes) -> None:
        """A part with that head begins."""
        disposition = _DISPOSITION.search(head)
        is_file = disposition is not None and _IS_FILE.search(disposition[1]) is not None
        self.saw_file |= is_file
        self._step = self._content
        if disposition is not None and not is_file and _name(disposition[1]) == self._name.encode():
            if self.value is not None:
                raise CallerError(f"the form has more than one {self._name!r}", param=self._name)
            self._step = self._field

    def _field(self) -> bool:
        at = self._rest.find(self._mark)
        if at < 0:
            if len(self._rest) > _MOST_HEAD_BYTES:
                raise CallerError(f"{self._name!r} is too long", param=self._name)
            return False
        if at == 0:  # nothing between the head and the boundary, not even the line's end that ends the head
            self._rest, self.value_bytes, at = b"\r\n" + self._rest, -2, 2
        self.value, self.value_bytes = _text(self._rest[2:at], self._name), self.value_bytes + at - 2
        self._pass(2)
        self._rest = self._rest[at - 2 :]
        if self._expected is None:
            self._step = _wait
            return False
        self._out.append(self._expected)
        self._step = self._boundary
        return True

    def _epilogue(self) -> bool:
        self._pass(len(self._rest))
        return False

    def _pass(self, size: int) -> None:
        self._out.append(self._rest[:size])
        self._rest = self._rest[size:]

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        ours = min(self._ours, len(out))
        self._ours -= ours
        return out[ours:]


def _wait() -> bool:
    return False


def _boundary(content_type: bytes) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise CallerError("the form's content type has no boundary")
    boundary: bytes = found[1] or found[2]
    return boundary


def _name(disposition: bytes) -> bytes | None:
    found = _NAME.search(disposition)
    return None if found is None else found[1] if found[1] is not None else found[2]


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CallerError(f"{name!r} is not UTF-8", param=name) from None
