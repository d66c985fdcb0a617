"""Forms as bodies (RFC 7578), as they pass: one field found and changed, the bytes of files left as they are."""

import re
from collections.abc import Callable

from gateway.errors import CallerError
from gateway.models.foreign_targets import check_names

# Parsers disagree on everything that is not spelled plainly: on second boundaries, folded lines, escapes, other line
# ends. What two of them could read differently is refused, so that nobody reads a model that was not seen here.
# Possessive repeats: there is one way to read each, and nothing is remembered for going back.
_PARAMETER = rb'(?<![ \t])[ \t]*+;[ \t]*+([A-Za-z0-9_-]++)=(?:"([^"\\\x00-\x1f\x7f]*+)"|([^\x00-\x20"\\;\x7f]++))'
_parameters = re.compile(_PARAMETER).finditer
_CONTENT_TYPE = re.compile(rb"multipart/form-data(?:%b)++(?:[ \t]*;)?" % _PARAMETER, re.IGNORECASE)
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, 5.1.1
_TOKEN = re.compile(rb"[0-9A-Za-z'+_.-]+")
_HEAD_LINE = re.compile(rb"([A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_NAME_IN_FILENAME = re.compile(rb"[;\s]name\*?[ \t]*=", re.IGNORECASE)
_DISPOSITION = re.compile(
    rb'form-data[ \t]*;[ \t]*name=(?:"([\w.:\[\]-]+)"|([\w.:\[\]-]+))'
    rb'((?:[ \t]*+;[ \t]*+filename\*?=(?:"(?:[^"\\]|\\(?!"))*+"|[^\x00-\x20"\\;,]++))*+)(?:[ \t]*;)?',
    re.IGNORECASE,
)
_PART_HEADERS = frozenset({b"content-disposition", b"content-type", b"content-length", b"content-transfer-encoding"})
_BASE_OF_NAME = re.compile(rb"[\w-]*")  # what is left where brackets and dots make lists and objects
_MOST_PARTS = 10_000
_MOST_HEAD_BYTES = 16 * 1024  # of one part's headers, of what stands before the first part, and of the field's value


class Form:
    """A form, fed piece by piece. Bytes from `feed` may be forwarded; undecided bytes are held back.

    It stops at the value of the text field `name` until `put` says what is to stand there; a value that is expected
    (`expect`) is put without stopping. `value_bytes` is by how much the form gets shorter without the value, `saw_file`
    whether a file has begun, `ended` whether the last boundary came. `content_type` is the form's, spelled plainly.
    """

    def __init__(self, content_type: bytes, name: str) -> None:
        """Read the boundary of a content type. Raises CallerError where there is none."""
        self.value: str | None = None
        self.value_bytes = 0
        self.saw_file = self.ended = False
        self._name = name
        self._expected: bytes | None = None
        boundary = boundary_of(content_type)
        self.content_type = _content_type(boundary)
        self._dashes = b"--" + boundary
        self._mark = b"\r\n" + self._dashes
        # The first boundary need not follow a line's end: it is given one, which is taken back from what goes on.
        self._rest, self._ours = b"\r\n", 2
        self._at = 0  # up to where the rest has gone on
        self._parts = 0
        self._out: list[bytes] = []
        self._step: Callable[[], bool] = self._preamble

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; what may go on. Raises CallerError for what is no form, or has the field twice."""
        self._rest += data
        while self._step():
            pass
        self._rest, self._at = self._rest[self._at :], 0  # once for each piece, however many parts it has
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
        """Return the bytes that were held back, and look no further."""
        self._pass(len(self._rest) - self._at)
        self._rest, self._at = b"", 0
        return self._taken()

    def end(self) -> None:
        """End the form. Raises CallerError for a form that is not whole."""
        if self.ended:
            return
        if self._step == self._preamble:
            raise CallerError("the form does not begin with its boundary")
        raise CallerError("the form ends in the middle of a part")

    # Steps: each says whether the next one can be taken at once.

    def _preamble(self) -> bool:
        at = self._next_mark()
        if at in (0, 2):  # some clients begin with a line's end
            self._pass(at)
            self._step = self._boundary
            return True
        if at > 0 or len(self._rest) - self._at >= len(self._mark) + 2:
            raise CallerError("the form does not begin with its boundary")
        return False

    def _content(self) -> bool:
        at = self._next_mark()
        if at >= 0:
            self._pass(at)
            self._step = self._boundary
            return True
        if (safe := len(self._rest) - self._at - len(self._mark) + 1) > 0:
            self._pass(safe)
        return False

    def _next_mark(self) -> int:
        """Return the offset of the next boundary and the line end before it; -1 where none has come."""
        at = self._rest.find(self._dashes, self._at)
        if at >= 0 and self._rest[max(at - 2, self._at) : at] != b"\r\n":
            raise CallerError("the form's boundary stands where no line begins, or behind another line end than CRLF")
        return at - 2 - self._at if at >= 0 else -1

    def _boundary(self) -> bool:
        after = self._at + len(self._mark)
        what = self._rest[after : after + 2]
        if len(what) < 2:
            return False
        if what == b"--":
            self.ended = True
            self._pass(len(self._mark) + 2)
            self._step = self._epilogue
            return True
        if what != b"\r\n":
            raise CallerError("extra text after the form's boundary in its line")
        head_end = self._rest.find(b"\r\n\r\n", after)
        if head_end < 0 or head_end - self._at > _MOST_HEAD_BYTES:
            if len(self._rest) - self._at > _MOST_HEAD_BYTES:
                raise CallerError("the headers of the form's parts do not end")
            return False
        self._begin(self._rest[after + 2 : head_end])
        self._pass(head_end + 2 - self._at)  # the line's end that is left may be the beginning of the next boundary
        return True

    def _begin(self, head: bytes) -> None:
        """A part with that head begins."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise CallerError(f"the form has more than {_MOST_PARTS} parts")
        name, is_file = _named(head)
        self.saw_file |= is_file
        self._step = self._content
        base = _base(name)
        if base != self._name.encode():
            check_names([base.decode()])
            return
        if is_file or name != self._name.encode():
            raise CallerError(
                f"the form names a part {name.decode()!r}: write {self._name!r}, as text", param=self._name
            )
        if self.value is not None:
            raise CallerError(f"the form has more than one {self._name!r}", param=self._name)
        self._step = self._field

    def _field(self) -> bool:
        at = self._next_mark()
        if at < 0:
            if len(self._rest) - self._at > _MOST_HEAD_BYTES:
                raise CallerError(f"{self._name!r} is too long", param=self._name)
            return False
        if at == 0:  # nothing between the head and the boundary, not even the line's end that ends the head
            self._rest, self._at, self.value_bytes, at = b"\r\n" + self._rest[self._at :], 0, -2, 2
        value = self._rest[self._at + 2 : self._at + at]
        self.value, self.value_bytes = _text(value, self._name), self.value_bytes + at - 2
        self._pass(2)
        self._at += at - 2
        if self._expected is None:
            self._step = _wait
            return False
        self._out.append(self._expected)
        self._step = self._boundary
        return True

    def _epilogue(self) -> bool:
        if self._rest[self._at :].strip(b"\r\n"):
            raise CallerError("extra data after the end of the form")
        self._pass(len(self._rest) - self._at)
        return False

    def _pass(self, size: int) -> None:
        self._out.append(self._rest[self._at : self._at + size])
        self._at += size

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        ours = min(self._ours, len(out))
        self._ours -= ours
        return out[ours:]


def _wait() -> bool:
    return False


def boundary_of(content_type: bytes) -> bytes:
    """The boundary that a form's content type gives. Raises CallerError unless it plainly gives exactly one."""
    if _CONTENT_TYPE.fullmatch(content_type.strip()) is None:
        raise CallerError("the form's content type has no boundary: multipart/form-data; boundary=…")
    found = [_value(each) for each in _parameters(content_type) if each[1].lower() == b"boundary"]
    if len(found) != 1 or _BOUNDARY.fullmatch(found[0]) is None:
        raise CallerError("the form's content type must have one boundary, of up to 70 plain characters")
    return found[0]


def _value(parameter: re.Match[bytes]) -> bytes:
    """The value of a parameter, without its quotes."""
    found: bytes = parameter[3] if parameter[2] is None else parameter[2]
    return found


def _content_type(boundary: bytes) -> bytes:
    quoted = boundary if _TOKEN.fullmatch(boundary) else b'"' + boundary + b'"'
    return b"multipart/form-data; boundary=" + quoted


def _named(head: bytes) -> tuple[bytes, bool]:
    """A part's name, and whether it is a file. Raises CallerError unless the head plainly gives exactly one."""
    lines = [_HEAD_LINE.fullmatch(line) for line in head.split(b"\r\n")]
    headers = [(line[1].lower(), line[2].strip(b" \t")) for line in lines if line is not None]
    given = dict(headers)
    if len(headers) < len(lines) or len(given) < len(headers) or not given.keys() <= _PART_HEADERS:
        raise CallerError("a part of the form has headers that are not plain lines, come twice or are not known")
    if given.get(b"content-type", b"").lower().startswith((b"multipart/", b"message/")):
        raise CallerError("a part of the form is a form itself")
    found = _DISPOSITION.fullmatch(given.get(b"content-disposition", b""))
    if found is None or _NAME_IN_FILENAME.search(found[3]):
        raise CallerError('a part of the form must be named plainly: Content-Disposition: form-data; name="…"')
    return found[1] or found[2], bool(found[3])


def _base(name: bytes) -> bytes:
    """The name as lenient readers take it: in lower case, without what makes it a list or an object."""
    base = _BASE_OF_NAME.match(name)
    return b"" if base is None else base[0].lower()


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CallerError(f"{name!r} is not UTF-8", param=name) from None
