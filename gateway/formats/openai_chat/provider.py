"""Chat completions as providers speak them, for clients of another wire format."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.fit import fit
from gateway.formats.limits import limits
from gateway.formats.openai_chat._quirks import quirks
from gateway.formats.openai_chat.amend import PATH, amend
from gateway.formats.openai_chat.errors import read_error
from gateway.formats.openai_chat.provider_answer import read_reply
from gateway.formats.openai_chat.provider_request import write_request
from gateway.formats.openai_chat.provider_stream import ChatParser
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import Parser, ProviderFacts, Written
from gateway.formats.settings import Settings
from gateway.json_body import Document

_FACTS = ProviderFacts(price_source="openai", header_prefix=b"openai-")


@dataclass(frozen=True, slots=True)
class ChatProvider:
    """The half of chat completions that faces providers; `host` is the provider's, '' while it is not known."""

    host: str = ""
    name: FormatName = field(default="openai", init=False)

    def at(self, host: str) -> "ChatProvider":
        """The same for a provider at that host."""
        return replace(self, host=host)

    facts = _FACTS

    def write(self, prompt: Prompt, model: str) -> Written:
        fitted = fit(prompt, limits(self.name, self.host, model))
        return Written(PATH, write_request(fitted.prompt, model, quirks(self.host, model)), fitted.names)

    def path(self, model: str, stream: bool) -> str:
        return PATH

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        return amend(document, settings, model, self.host)

    def reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def parser(self) -> Parser:
        return ChatParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return read_error(status, headers, body)


PROVIDER = ChatProvider()
