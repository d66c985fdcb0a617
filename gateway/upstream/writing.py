"""What both transports hold to: the head of an HTTP/1.1 request, in which no value can end a line early, and limits."""

import re

from gateway.errors import GatewayError
from gateway.upstream import Origin, Request, Upload

MAX_HEADER_BLOCK = 64 * 1024
"""Bytes of an answer's header block; providers send about 2 kB."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_TARGET = re.compile(r"/[!-~]*").fullmatch  # printable ASCII without spaces: the rest of the line is ours
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110, 8.6: these say `content-length: 0` too


def host_of(origin: Origin) -> str:
    """The value of the host header: no default port, IPv6 addresses in brackets."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"


def target_of(request: Request) -> str:
    """The path and query as they go on the request line. Raises GatewayError when they would not stay on it."""
    if _TARGET(request.path) is None:
        raise GatewayError(f"path {request.path[:200]!r} cannot be sent: percent-encode what is not printable ASCII")
    return request.path


def head_of(request: Request, host: str) -> bytes:
    """The head of the request up to and with its empty line. Raises GatewayError for line breaks inside a value."""
    body = request.body
    lines = [f"{request.method} {target_of(request)} HTTP/1.1\r\nhost: {host}".encode()]
    lines += [name + b": " + value for name, value in request.headers]
    if request.upload is not None:
        lines.append(framing_of(request.upload))
    elif body or request.method in _WITH_BODY:
        lines.append(b"content-length: %d" % len(body))
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    # One count over the whole head is cheaper than a look at every value: each line ends once, by us.
    if head.count(b"\n") != len(lines) + 2 or head.count(b"\r") != len(lines) + 2 or head.find(b"\0") >= 0:
        raise GatewayError("a header of the call holds a line break or NUL and cannot be sent")
    return head


def framing_of(upload: Upload) -> bytes:
    """The header line that says where an upload ends."""
    return b"transfer-encoding: chunked" if upload.length is None else b"content-length: %d" % upload.length


class Count:
    """Watches that an upload keeps to its length."""

    __slots__ = ("_left", "_length")

    def __init__(self, length: int | None) -> None:
        self._length = length
        self._left = length or 0

    def take(self, size: int) -> None:
        """So many bytes are about to go out. Raises GatewayError when they are too many."""
        self._left -= size
        if self._length is not None and self._left < 0:
            raise GatewayError("the upload is longer than it was said to be")

    def end(self) -> None:
        """Nothing more comes. Raises GatewayError when something is missing."""
        if self._length is not None and self._left:
            raise GatewayError("the upload is shorter than it was said to be")
