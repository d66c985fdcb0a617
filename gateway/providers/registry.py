"""Every wire format by its name."""

from collections.abc import Mapping

from gateway.calls import FormatName
from gateway.providers.formats import ClientSide, ProviderSide
from gateway.providers.reader import Framer, SseFramer

CLIENTS: Mapping[FormatName, ClientSide] = {}
PROVIDERS: Mapping[FormatName, ProviderSide] = {}
EVENT_STREAMS: Mapping[FormatName, bytes] = {"bedrock": b"application/vnd.amazon.eventstream"}


def framer(_name: FormatName) -> Framer:
    """What cuts that format's streams into events."""
    return SseFramer()


def stream_type(name: FormatName) -> bytes:
    """The content type of that format's streams."""
    return EVENT_STREAMS.get(name, b"text/event-stream")
