"""Cut a provider's stream into events: server-sent ones, or those of a format with a framing of its own."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from gateway.errors import ProviderError
from gateway.formats import sse

EVENT_STREAM = b"text/event-stream"


class Frame(NamedTuple):
    """An event as received: name, data, and bytes."""

    name: str
    data: bytes
    raw: bytes


class Framer(Protocol):
    """Cuts what comes in into events. Raises ProviderError for what cannot be cut."""

    def feed(self, chunk: bytes) -> Iterable[Frame]:
        """Return the events that are complete by now. What cannot be cut is raised behind those before it."""

    def end(self) -> Sequence[Frame]:
        """A last event that nothing closed, where the framing allows for one."""


class SseFramer:
    """Server-sent events."""

    __slots__ = ("_cutter",)

    def __init__(self) -> None:
        self._cutter = sse.Cutter()

    def feed(self, chunk: bytes) -> Iterable[Frame]:
        block = self._cutter.feed(chunk)
        frames = [Frame(sse.name(event), sse.data(event), event) for event in sse.split(block)] if block else ()
        return _and_fail(frames) if self._cutter.overflows else frames

    def end(self) -> Sequence[Frame]:
        if not self._cutter.kept:
            return ()
        return [Frame(sse.name(e), sse.data(e), e) for e in sse.split(bytes(self._cutter.kept) + b"\n\n")]


def _and_fail(frames: Sequence[Frame]) -> Iterator[Frame]:
    yield from frames
    raise ProviderError("malformed", "an event of the provider's stream is too long")
