"""What every wire format is held to: `test_contract.py` runs one suite over the formats that stand here.

A format joins by one line of `JOINED`, which names its recordings under tests/recordings.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.calls import FormatName
from gateway.formats.answer import Event
from gateway.formats.protocol import ProviderSide
from gateway.formats.registry import PROVIDERS
from tests.gateway.formats.bedrock import wire

RECORDINGS = Path(__file__).parents[2] / "recordings"


@dataclass(frozen=True)
class Joined:
    """One format: its folder of recordings, its recorded streams, a model, and what puts a recording on the wire."""

    name: FormatName
    folder: str
    streams: tuple[str, ...]
    model: str
    put: Callable[[str], bytes] | None = None

    @property
    def provider(self) -> ProviderSide:
        return PROVIDERS[self.name]

    @property
    def answer(self) -> Any:
        return json.loads((RECORDINGS / self.folder / "answer.json").read_bytes())

    def stream(self, name: str) -> bytes:
        return self.put(name) if self.put else (RECORDINGS / self.folder / name).read_bytes()


CHAT_STREAMS = ("text.sse", "tools.sse", "refusal.sse")
JOINED = (
    Joined(
        "openai",
        "chat",
        ("text.sse", "tools.sse", "refusal.sse", "openrouter.sse", "google.sse", "deepseek.sse"),
        "gpt-4o",
    ),
    Joined("openai-responses", "responses", ("text.sse", "tools.sse", "refusal.sse", "incomplete.sse"), "gpt-5"),
    Joined("anthropic", "messages", ("text.sse", "tools.sse", "refusal.sse"), "claude-sonnet-4-5"),
    Joined("gemini", "gemini", ("stream.sse",), "gemini-2.5-pro"),
    Joined("gemini-interactions", "interactions", ("text.sse", "tools.sse", "incomplete.sse"), "gemini-3.8-flash"),
    Joined("bedrock", "bedrock", ("text.jsonl", "tools.jsonl", "schema.jsonl"), "claude-sonnet-4-5", wire.recorded),
)
STREAMS = [(joined, name) for joined in JOINED for name in joined.streams]


def followed(side: ProviderSide, *pieces: bytes) -> list[Event]:
    """What a provider's stream says that comes in these pieces."""
    framer, parser = side.facts.framer(), side.parser()
    frames = [frame for piece in pieces for frame in framer.feed(piece)] + [*framer.end()]
    return [event for frame in frames for event in parser.take(frame.name, frame.data)] + [*parser.end()]


def taken(side: ProviderSide, frames: Sequence[tuple[str, bytes]]) -> list[Event]:
    """What a provider's events say."""
    parser = side.parser()
    return [event for name, data in frames for event in parser.take(name, data)] + [*parser.end()]
