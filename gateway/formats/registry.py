"""Every wire format by its name."""

from collections.abc import Mapping

from gateway.calls import FormatName
from gateway.formats.anthropic.client import CLIENT as MESSAGES_CLIENT
from gateway.formats.anthropic.provider import PROVIDER as MESSAGES_PROVIDER
from gateway.formats.bedrock.provider import PROVIDER as BEDROCK_PROVIDER
from gateway.formats.gemini.client import CLIENT as GEMINI_CLIENT
from gateway.formats.gemini.provider import PROVIDER as GEMINI_PROVIDER
from gateway.formats.openai_chat.client import CLIENT as CHAT_CLIENT
from gateway.formats.openai_chat.provider import PROVIDER as CHAT_PROVIDER
from gateway.formats.openai_responses.client import CLIENT as RESPONSES_CLIENT
from gateway.formats.openai_responses.provider import PROVIDER as RESPONSES_PROVIDER
from gateway.formats.protocol import ClientSide, ProviderSide

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


def provider_side(name: FormatName, host: str) -> ProviderSide:
    """What speaks to a provider of that format at that host: of chat completions there are many dialects."""
    return CHAT_PROVIDER.at(host) if name == "openai" else PROVIDERS[name]
