"""Every wire format: the one list. A format joins by its line here, and tells the rest in its own folder."""

from collections.abc import Mapping

from gateway.calls import FormatName
from gateway.formats.anthropic.client import CLIENT as MESSAGES_CLIENT
from gateway.formats.anthropic.provider import PROVIDER as MESSAGES_PROVIDER
from gateway.formats.bedrock.provider import PROVIDER as BEDROCK_PROVIDER
from gateway.formats.gemini.client import CLIENT as GEMINI_CLIENT
from gateway.formats.gemini.provider import PROVIDER as GEMINI_PROVIDER
from gateway.formats.gemini_interactions.client import CLIENT as INTERACTIONS_CLIENT
from gateway.formats.gemini_interactions.provider import PROVIDER as INTERACTIONS_PROVIDER
from gateway.formats.openai_chat.client import CLIENT as CHAT_CLIENT
from gateway.formats.openai_chat.provider import PROVIDER as CHAT_PROVIDER
from gateway.formats.openai_responses.client import CLIENT as RESPONSES_CLIENT
from gateway.formats.openai_responses.provider import PROVIDER as RESPONSES_PROVIDER
from gateway.formats.protocol import ClientSide, ProviderSide

CLIENTS: Mapping[FormatName, ClientSide] = {
    side.name: side for side in (CHAT_CLIENT, RESPONSES_CLIENT, MESSAGES_CLIENT, GEMINI_CLIENT, INTERACTIONS_CLIENT)
}
PROVIDERS: Mapping[FormatName, ProviderSide] = {
    side.name: side
    for side in (
        CHAT_PROVIDER,
        RESPONSES_PROVIDER,
        MESSAGES_PROVIDER,
        GEMINI_PROVIDER,
        INTERACTIONS_PROVIDER,
        BEDROCK_PROVIDER,
    )
}
# Every header that carries a key, in either direction.
KEY_HEADERS = frozenset(
    {
        *(name for side in CLIENTS.values() for name in side.facts.key_headers),
        *(side.facts.key_header.encode() for side in PROVIDERS.values()),
    }
)
