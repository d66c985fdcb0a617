"""The head of one request: target and headers, and whether they can mean one thing only (RFC 9112)."""

import urllib.parse

import httptools

from gateway.server.exchange import Message
from gateway.server.limits import Limits
from gateway.server.refusals import BadFraming, HeadTooLarge

# The headers that decide where a request ends, whom it is for, or whether its body comes unasked.
WATCHED = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
FIRST_LINE_BYTES = len(b"OPTIONS  HTTP/1.1\r\n\r\n")
HEADER_LINE_BYTES = len(b": \r\n")


class Head:
    """Collected by the parser's callbacks: `headers` has lower-case names, `length` is the announced Content-Length."""

    __slots__ = ("_codings", "_hosts", "_lengths", "expects_continue", "headers", "length", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.length = 0
        self.expects_continue = False
        self._hosts = self._lengths = self._codings = 0

    def note(self, name: bytes, value: bytes) -> None:
        """Take account of one of the `WATCHED` headers. Raises BadFraming."""
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self._lengths += 1
            self.length = int(value)
        elif name == b"transfer-encoding":
            self._codings += 1
            if value.strip().lower() != b"chunked":
                raise BadFraming("Transfer-Encoding may only be 'chunked'.")
        elif value.lower() == b"100-continue":
            self.expects_continue = True

    def check(self, version: str) -> None:
        """Raise BadFraming unless the head can be understood in one way only."""
        if version == "1.1":
            if self._hosts != 1:
                raise BadFraming(f"A request needs exactly one Host header, this one has {self._hosts}.")
        elif version != "1.0":
            raise BadFraming(f"HTTP/{version} is not spoken here, HTTP/1.1 is.")
        elif self._hosts > 1 or self._codings:
            raise BadFraming("An HTTP/1.0 request has at most one Host header and no Transfer-Encoding.")
        # The parser refuses these as well; requests are smuggled where only one layer looks.
        if self._lengths + self._codings > 1:
            raise BadFraming("A request has one Content-Length or one Transfer-Encoding, not both.")

    def check_size(self, limits: Limits) -> None:
        """Raise HeadTooLarge when the whole block is over the limit."""
        lines = sum(len(name) + len(value) for name, value in self.headers) + HEADER_LINE_BYTES * len(self.headers)
        if FIRST_LINE_BYTES + len(self.target) + lines > limits.head_bytes:
            raise HeadTooLarge(f"The header block is larger than {limits.head_bytes} bytes.")

    @property
    def is_chunked(self) -> bool:
        """Whether the body says only at its end how long it is."""
        return bool(self._codings)

    @property
    def path(self) -> str:
        """The target's path, decoded. Raises BadFraming."""
        return _decoded(self._location()[0])

    def request(self, method: bytes, version: str) -> Message:
        """The part of the ASGI scope that the head decides. Raises BadFraming for a target that has no path."""
        path, query = self._location()
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": method.decode("ascii"),
            "scheme": "http",
            "path": _decoded(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
        }

    def without_upgrade(self, method: bytes, version: str) -> bytes:
        """The head as bytes again, less the wish to speak another protocol (RFC 9110, 7.8: it may be ignored)."""
        lines = [b"%b %b HTTP/%b\r\n" % (method, self.target, version.encode())]
        lines += [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"".join([*lines, b"\r\n"])

    def _location(self) -> tuple[bytes, bytes]:
        if self.target.startswith(b"/") and self.target.find(b"#") < 0:
            path, _, query = self.target.partition(b"?")
            return path, query
        if self.target == b"*":
            return self.target, b""
        try:
            url = httptools.parse_url(self.target)
        except httptools.HttpParserInvalidURLError:
            raise BadFraming("The request's target is not a URL.") from None
        return url.path or b"/", url.query or b""


def _decoded(path: bytes) -> str:
    # Percent-decoded as ASGI wants it; what is not UTF-8 becomes U+FFFD.
    text = path.decode("ascii")
    return urllib.parse.unquote(text) if "%" in text else text
