"""The Messages API, as a provider's format."""

from collections.abc import Mapping

from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.anthropic.amend import amend
from gateway.formats.anthropic.errors import provider_error
from gateway.formats.anthropic.provider_answer import read_reply
from gateway.formats.anthropic.provider_request import PATH, write
from gateway.formats.anthropic.provider_stream import MessagesParser
from gateway.formats.claude.models import NAME
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import Parser, ProviderFacts, ProviderSide, Written
from gateway.formats.settings import Settings
from gateway.json_body import Document

_FACTS = ProviderFacts(
    price_source="anthropic",
    header_prefix=b"anthropic-",
    default_headers=((b"anthropic-version", b"2023-06-01"),),
)


class _Messages:
    """See `ProviderSide`."""

    @property
    def name(self) -> FormatName:
        return NAME

    facts = _FACTS

    def write(self, prompt: Prompt, model: str) -> Written:
        return write(prompt, model)

    def path(self, model: str, stream: bool) -> str:
        return PATH

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        return amend(document, settings, model)

    def reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def parser(self) -> Parser:
        return MessagesParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return provider_error(status, headers, body)


PROVIDER: ProviderSide = _Messages()
