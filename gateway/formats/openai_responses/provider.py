"""The half of this format that faces providers."""

from collections.abc import Mapping

from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.openai_responses import amend, errors, provider_answer, provider_request
from gateway.formats.openai_responses.provider_stream import ResponsesParser
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import Parser, ProviderFacts, ProviderSide, Written
from gateway.formats.settings import Settings
from gateway.json_body import Document

_FACTS = ProviderFacts(price_source="openai", header_prefix=b"openai-")


class _Provider:
    @property
    def name(self) -> FormatName:
        return "openai-responses"

    facts = _FACTS

    def write(self, prompt: Prompt, model: str) -> Written:
        return provider_request.write(prompt, model)

    def path(self, model: str, stream: bool) -> str:
        return provider_request.PATH

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        return amend.amend(document, settings, model)

    def reply(self, body: bytes) -> Reply:
        return provider_answer.read_reply(body)

    def parser(self) -> Parser:
        return ResponsesParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return errors.provider_error(status, headers, body)


PROVIDER: ProviderSide = _Provider()
