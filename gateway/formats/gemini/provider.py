"""The half of the format that faces providers."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.gemini import provider_request
from gateway.formats.gemini._terms import FORMAT
from gateway.formats.gemini.amend import amend
from gateway.formats.gemini.errors import read_error
from gateway.formats.gemini.provider_answer import read_answer
from gateway.formats.gemini.provider_stream import StreamParser
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import Parser, ProviderFacts, ProviderSide, Written
from gateway.formats.settings import Settings
from gateway.json_body import Document

_FACTS = ProviderFacts(price_source="google")


@dataclass(frozen=True, slots=True)
class GeminiProvider:
    """The Generative Language API, behind a base path that ends in /v1beta."""

    name: FormatName = FORMAT

    facts = _FACTS

    def write(self, prompt: Prompt, model: str) -> Written:
        return provider_request.write(prompt, model)

    def path(self, model: str, stream: bool) -> str:
        return provider_request.path(model, stream)

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        return amend(document, settings, model)

    def reply(self, body: bytes) -> Reply:
        return read_answer(body)

    def parser(self) -> Parser:
        return StreamParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return read_error(status, headers, body)


PROVIDER: ProviderSide = GeminiProvider()
