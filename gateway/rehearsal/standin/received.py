"""The last requests as they were received, so that one can see what reached the provider."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import orjson

from .wire import Header, StandinRequest

KEPT_REQUESTS = 200  # enough for a test to look back on, small enough to forget about
KEPT_BODY = 1 << 20  # bytes kept of one request's body


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came in: names and values untouched, at most 1 MiB of the body."""

    method: str
    path: str  # with its query
    raw_headers: tuple[Header, ...]
    raw_body: bytes
    body_bytes: int  # how long the whole body was

    @classmethod
    def of(cls, request: StandinRequest, body_bytes: int) -> Self:
        path = f"{request.path}?{request.query}" if request.query else request.path
        return cls(request.method, path, request.headers, request.body, body_bytes)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Names and values in the order and case they came in."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers]

    @property
    def body(self) -> str:
        return self.raw_body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        """The first value of a header, in any case; None when it did not come."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> object:
        """The body parsed. Raises ValueError when it is not JSON."""
        return orjson.loads(self.raw_body)


class RequestLog:
    """The last requests, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[StandinRequest, int]] = deque(maxlen=KEPT_REQUESTS)

    def add(self, request: StandinRequest) -> None:
        size = len(request.body)
        self._kept.append((request if size <= KEPT_BODY else request._replace(body=request.body[:KEPT_BODY]), size))

    def last(self, count: int) -> list[Received]:
        """Return at most `count` of the latest requests."""
        return [Received.of(*each) for each in list(self._kept)[-count:]] if count > 0 else []

    def __iter__(self) -> Iterator[Received]:
        return iter(self.last(KEPT_REQUESTS))

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        self._kept.clear()
