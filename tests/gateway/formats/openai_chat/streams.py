"""Recorded chat completions, and how the tests feed them."""

import json
from pathlib import Path
from typing import Any

from gateway.formats.answer import Event
from gateway.formats.framing import SseFramer
from gateway.formats.openai_chat.provider_stream import ChatParser

RECORDINGS = Path(__file__).parents[3] / "recordings" / "chat"


def recorded(name: str) -> bytes:
    return (RECORDINGS / name).read_bytes()


def events(*pieces: bytes) -> list[Event]:
    """What a parser makes of a stream that comes in these pieces."""
    framer, parser = SseFramer(), ChatParser()
    frames = [frame for piece in pieces for frame in framer.feed(piece)] + list(framer.end())
    found = [event for frame in frames for event in parser.take(frame.name, frame.data)]
    return [*found, *parser.end()]


def chunk(delta: object, **more: Any) -> bytes:
    """One event with a delta."""
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish", None), **more}
    return b"data: " + json.dumps({"id": "r/1", "choices": [choice]}).encode() + b"\n\n"


def written(out: bytes) -> list[Any]:
    """The chunks of a written stream, without its end marker."""
    datas = [event.removeprefix(b"data: ") for event in out.split(b"\n\n") if event]
    return [json.loads(data) for data in datas if data != b"[DONE]"]
