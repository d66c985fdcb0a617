"""What Google documents of the wire format, as files."""

import json
from pathlib import Path
from typing import Any

from gateway.formats.answer import Event
from gateway.formats.framing import SseFramer
from gateway.formats.gemini.provider import PROVIDER

_FOLDER = Path(__file__).resolve().parents[3] / "recordings" / "gemini"


def raw(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def recorded(name: str) -> Any:
    return json.loads(raw(name))


def followed(pieces: list[bytes]) -> list[Event]:
    framer, parser = SseFramer(), PROVIDER.parser()
    frames = [frame for piece in pieces for frame in framer.feed(piece)] + [*framer.end()]
    events = [event for frame in frames for event in parser.take(frame.name, frame.data)]
    return [*events, *parser.end()]
