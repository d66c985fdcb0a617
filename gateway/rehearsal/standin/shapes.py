"""A wire format in the stand-in: functions that read its requests and shape its answers, as one value.

A fault is played on a shape, so that every format has every fault.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .answers import Said, StandinError, StreamParts
from .asks import Ask
from .wire import EVENTS, JSON, StandinRequest


class Served(NamedTuple):
    """Facts for the headers of an answer."""

    request_id: str
    seconds: float  # that it took
    now: float  # seconds since 1970
    spent_for: float | None = None  # seconds that the rate limit stays used up


@dataclass(frozen=True, slots=True)
class StandinDoor:
    """Authentication of a format's callers, and the refusal without a valid key.

    Each way is a header and the scheme that stands before the key, in any case; b"" where none does.
    """

    ways: tuple[tuple[bytes, bytes], ...]
    missing: StandinError
    wrong: StandinError

    def key(self, request: StandinRequest) -> bytes:
        """The key a request shows; b"" where it shows none."""
        return next(filter(None, (_key(request.header(header) or b"", scheme) for header, scheme in self.ways)), b"")


def _key(value: bytes, scheme: bytes) -> bytes:
    if scheme:
        said, _, value = value.partition(b" ")
        return value.strip() if said.lower() == scheme else b""
    return value.strip()


@dataclass(frozen=True, slots=True)
class Family:
    """Common parts of one provider's endpoints: authentication, errors, headers."""

    door: StandinDoor
    error: Callable[[StandinError], bytes]
    headers: Callable[[Served], bytes]  # whole lines, each with its CRLF


def no_stream(ask: Ask, said: Said) -> StreamParts:
    """Fail: the endpoint has no streams, and its `read` never asks for one."""
    raise AssertionError(f"{said.model}: this endpoint has no streams")


@dataclass(frozen=True, slots=True)
class Shape:
    """An endpoint's format. `failed` is a plain error answer, `error_event` an error in a stream after that many other
    events. `bad_event` is an event that is not JSON, with what follows it; `not_json` is a body that is not JSON.
    """

    family: Family
    read: Callable[[StandinRequest], Ask]  # raises Refusal
    whole: Callable[[Ask, Said], bytes]
    empty: Callable[[Ask, Said], bytes]  # well-formed, says nothing
    failed: Callable[[Ask, Said, StandinError], bytes]
    stream: Callable[[Ask, Said], StreamParts] = no_stream
    empty_stream: Callable[[Ask, Said], bytes] = lambda ask, said: no_stream(ask, said).closing
    error_event: Callable[[Ask, Said, StandinError, int], bytes] = lambda ask, said, problem, sent: b""
    bad_event: bytes = b""
    not_json: bytes = b'{"id": "'
    kind: Callable[[Ask], bytes] = lambda ask: JSON
    stream_kind: bytes = EVENTS
    charges: Literal["all", "prompt", "nothing"] = "all"
    calls_tools: bool = True
