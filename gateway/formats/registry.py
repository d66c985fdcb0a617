"""Every wire format by its name."""

from collections.abc import Mapping

from gateway.calls import FormatName
from gateway.formats.anthropic.client import CLIENT as MESSAGES_CLIENT
from gateway.formats.anthropic.provider import PROVIDER as MESSAGES_PROVIDER
from gateway.formats.bedrock._framing import EventStreamFramer
from gateway.formats.bedrock.provider import PROVIDER as BEDROCK_PROVIDER
from gateway.formats.gemini.client import CLIENT as GEMINI_CLIENT
from gateway.formats.gemini.provider import PROVIDER as GEMINI_PROVIDER
from gateway.formats.openai_chat.client import CLIENT as CHAT_CLIENT
from gateway.formats.openai_chat.provider import PROVIDER as CHAT_PROVIDER
from gateway.formats.openai_responses.client import CLIENT as RESPONSES_CLIENT
from gateway.formats.openai_responses.provider import PROVIDER as RESPONSES_PROVIDER
from gateway.formats.protocol import ClientSide, ProviderSide
from gateway.formats.reader import Framer, SseFramer

CLIENTS: Mapping[FormatName, ClientSide] = {
    "openai": CHAT_CLIENT,
    "openai-responses": RESPONSES_CLIENT,
    "anthropic": MESSAGES_CLIENT,
    "gemini": GEMINI_CLIENT,
}
PROVIDERS: Mapping[FormatName, ProviderSide] = {
    "openai": CHAT_PROVIDER,
    "openai-responses": RESPONSES_PROVIDER,
    "anthropic": MESSAGES_PROVIDER,
    "gemini": GEMINI_PROVIDER,
    "bedrock": BEDROCK_PROVIDER,
}
_STREAM_TYPES: Mapping[FormatName, bytes] = {"bedrock": b"application/vnd.amazon.eventstream"}


def provider_side(name: FormatName, host: str) -> ProviderSide:
    """What speaks to a provider of that format at that host: of chat completions there are many dialects."""
    return CHAT_PROVIDER.at(host) if name == "openai" else PROVIDERS[name]


def framer(name: FormatName) -> Framer:
    """What cuts that format's streams into events."""
    return EventStreamFramer() if name == "bedrock" else SseFramer()


def stream_type(name: FormatName) -> bytes:
    """The content type of that format's streams."""
    return _STREAM_TYPES.get(name, b"text/event-stream")
