"""What Anthropic documents of the Messages API, recorded: JSON bodies and streams under tests/recordings/messages."""

import json
from pathlib import Path
from typing import Any

from gateway.formats.answer import Event
from gateway.formats.anthropic.provider import PROVIDER
from gateway.formats.framing import SseFramer
from gateway.formats.prompt import Message, Prompt, Text
from gateway.formats.protocol import Envelope

DIRECTORY = Path(__file__).parents[3] / "recordings" / "messages"
STREAMS = ("text.sse", "tools.sse", "refusal.sse")
ASKED = Prompt((Message("user", (Text("Hi"),)),))
ENVELOPE = Envelope("call-1", "gpt-4o", 1_700_000_000, ASKED)


def recorded(name: str) -> bytes:
    return (DIRECTORY / name).read_bytes()


def request() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(recorded("request.json"))
    return values


def events_of(*chunks: bytes) -> list[Event]:
    """What a provider's stream says that comes in those chunks."""
    framer, parser, events = SseFramer(), PROVIDER.parser(), list[Event]()
    for chunk in chunks:
        for frame in framer.feed(chunk):
            events += parser.take(frame.name, frame.data)
    for frame in framer.end():
        events += parser.take(frame.name, frame.data)
    return [*events, *parser.end()]


def stream_of(*events: dict[str, Any]) -> bytes:
    """A stream of those events, each under its own name."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def sent(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream that was written for a client, each under its own name."""
    frames = SseFramer().feed(stream)
    events: list[dict[str, Any]] = [json.loads(frame.data) for frame in frames]
    assert [frame.name for frame in frames] == [event["type"] for event in events]
    return events
