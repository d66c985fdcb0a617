"""The Messages API, as a provider's format."""

from collections.abc import Mapping

from gateway.errors import Headers, ProviderError
from gateway.json_body import Document
from gateway.providers.formats import Parser, ProviderSide, Written
from gateway.providers.messages.amend import amend
from gateway.providers.messages.errors import provider_error
from gateway.providers.messages.parser import MessagesParser
from gateway.providers.messages.reply import read_reply
from gateway.providers.messages.request import PATH, write
from gateway.providers.messages.shared import NAME
from gateway.providers.prompt import FormatName, Prompt
from gateway.providers.reply import Reply
from gateway.providers.settings import Settings


class _Messages:
    """See `ProviderSide`."""

    @property
    def name(self) -> FormatName:
        return NAME

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
