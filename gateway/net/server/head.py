"""The head of one request: target and headers, and whether they can mean one thing only (RFC 9112)."""

import urllib.parse

import httptools

from gateway.net.asgi import Message
from gateway.net.server.limits import ServerLimits
from gateway.net.server.refusals import BadFraming, HeadTooLarge

# The headers that decide where a request ends, and whom it is for: each may be there once.
SINGLE = (b"host", b"content-length", b"transfer-encoding")
FIRST_LINE_BYTES = len(b"OPTIONS  HTTP/1.1\r\n\r\n")
HEADER_LINE_BYTES = len(b": \r\n")
NAMED = "serinus.headers"
"""The key in the scope of the headers by name; of several with the same name the first."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Head:
    """Collected by the parser's callbacks: `headers` has lower-case names; `length`, the announced Content-Length,
    is known once the head was checked, like whether the body waits to be asked for."""

    __slots__ = ("_named", "expects_continue", "headers", "is_chunked", "length", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._named: dict[bytes, bytes] = {}
        self.length = 0
        self.is_chunked = False
        self.expects_continue = False

    def check(self, version: str) -> None:
        """Raise BadFraming unless the head can be understood in one way only."""
        self._named = named = dict(reversed(self.headers))
        if len(named) < len(self.headers):
            self._check_repeated()
        if version == "1.1":
            if b"host" not in named:
                raise BadFraming("A request needs exactly one Host header, this one has 0.")
        elif version != "1.0":
            raise BadFraming(f"HTTP/{version} is not supported; use HTTP/1.1.")
        if b"transfer-encoding" in named:
            self._check_coding(version)
            self.is_chunked = True
        if b"content-length" in named:
            self.length = int(named[b"content-length"])
        if b"expect" in named:
            self.expects_continue = named[b"expect"].lower() == b"100-continue"

    def check_size(self, limits: ServerLimits) -> None:
        """Raise HeadTooLarge when the whole block is over the limit."""
        lines = sum(len(name) + len(value) for name, value in self.headers) + HEADER_LINE_BYTES * len(self.headers)
        if FIRST_LINE_BYTES + len(self.target) + lines > limits.head_bytes:
            raise HeadTooLarge(f"The header block is larger than {limits.head_bytes} bytes.")

    @property
    def path(self) -> str:
        """The target's path, decoded. Raises BadFraming."""
        return _decoded(self._location()[0])

    def request(self, method: bytes, version: str) -> Message:
        """The part of the ASGI scope that the head decides. Raises BadFraming for a target that has no path."""
        path, query = self._location()
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method.decode(),
            "scheme": "http",
            "path": _decoded(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            NAMED: self._named,
        }

    @property
    def asks_for_websocket(self) -> bool:
        """Return whether the protocol that the head asks for is WebSocket."""
        return any(name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in self.headers)

    def without_upgrade(self, method: bytes, version: str) -> bytes:
        """The head as bytes again, less the wish to speak another protocol (RFC 9110, 7.8: it may be ignored)."""
        lines = [b"%b %b HTTP/%b\r\n" % (method, self.target, version.encode())]
        lines += [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"".join([*lines, b"\r\n"])

    # The parser refuses most of this as well; requests are smuggled where only one layer looks.

    def _check_repeated(self) -> None:
        names = [name for name, _ in self.headers]
        for name in SINGLE:
            if (count := names.count(name)) > 1:
                raise BadFraming(f"A request has one {name.decode().title()} header at most, this one has {count}.")

    def _check_coding(self, version: str) -> None:
        if version == "1.0":
            raise BadFraming("An HTTP/1.0 request has no Transfer-Encoding.")
        if self._named[b"transfer-encoding"].strip().lower() != b"chunked":
            raise BadFraming("Transfer-Encoding may only be 'chunked'.")
        if b"content-length" in self._named:
            raise BadFraming("A request has one Content-Length or one Transfer-Encoding, not both.")

    def _location(self) -> tuple[bytes, bytes]:
        target = self.target
        if target[:1] == b"/" and b"#" not in target:
            path, _, query = target.partition(b"?")
            return path, query
        if target == b"*":
            return target, b""
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            raise BadFraming("The request's target is not a URL.") from None
        return url.path or b"/", url.query or b""


def _decoded(path: bytes) -> str:
    # Percent-decoded as ASGI wants it; what is not UTF-8 becomes U+FFFD.
    text = path.decode("ascii")
    return urllib.parse.unquote(text) if "%" in text else text
