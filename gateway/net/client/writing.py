"""Rules of both transports: limits, and a request head in which no value can end a line early."""

import re
from functools import lru_cache

from gateway.errors import GatewayError
from gateway.net.client import Origin, Request, Upload

MAX_HEADER_BLOCK = 64 * 1024
"""Bytes of an answer's header block; providers send about 2 kB."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_LONGEST_KNOWN = 256  # characters of a path that is remembered: clients write long ones of their own
_TARGET = re.compile(r"/[!-~]*").fullmatch  # printable ASCII without spaces: the rest of the line is ours
_COLON = b": ".join  # of a name and its value
_BREAK = b"\r\n".join
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110, 8.6: these say `content-length: 0` too


def host_of(origin: Origin) -> str:
    """The value of the host header: no default port, IPv6 addresses in brackets."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"


@lru_cache(maxsize=64)  # calls go to few paths
def _first_lines(method: str, path: str, host: str) -> bytes:
    """The request line and the host. Raises GatewayError for what would not stay on its line."""
    if _TARGET(path) is None:
        raise GatewayError(f"path {path[:200]!r} cannot be sent: percent-encode what is not printable ASCII")
    lines = f"{method} {path} HTTP/1.1\r\nhost: {host}".encode()
    if len(lines.split()) != 5 or b"\0" in lines:
        raise GatewayError(f"method {method[:80]!r} or host {host[:200]!r} cannot be sent")
    return lines


def head_of(request: Request, host: str) -> bytes:
    """The head of the request up to and with its empty line. Raises GatewayError for line breaks inside a value."""
    body = request.body
    first = _first_lines if len(request.path) <= _LONGEST_KNOWN else _first_lines.__wrapped__
    lines = [*map(_COLON, request.headers)]
    text = b"".join(lines)  # to look for a break takes a few steps, to count those that are ours one for each byte
    if text.find(b"\n") >= 0 or text.find(b"\r") >= 0 or text.find(b"\0") >= 0:
        raise GatewayError("a header of the call holds a line break or NUL and cannot be sent")
    if request.upload is not None:
        lines.append(framing_of(request.upload))
    elif body or request.method in _WITH_BODY:
        lines.append(b"content-length: %d" % len(body))
    return _BREAK((first(request.method, request.path, host), *lines, b"\r\n"))


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
        """Count bytes that are about to be sent. Raises GatewayError when they are too many."""
        self._left -= size
        if self._length is not None and self._left < 0:
            raise GatewayError("the upload is longer than its declared length")

    def end(self) -> None:
        """Nothing more comes. Raises GatewayError when something is missing."""
        if self._length is not None and self._left:
            raise GatewayError("the upload is shorter than its declared length")
