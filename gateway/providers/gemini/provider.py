"""The half of the format that faces providers."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Headers, ProviderError
from gateway.json_body import Document
from gateway.providers.formats import Parser, ProviderSide, Written
from gateway.providers.gemini import request
from gateway.providers.gemini.amend import amend
from gateway.providers.gemini.answer import read_answer
from gateway.providers.gemini.errors import read_error
from gateway.providers.gemini.stream import StreamParser
from gateway.providers.gemini.terms import FORMAT
from gateway.providers.prompt import FormatName, Prompt
from gateway.providers.reply import Reply
from gateway.providers.settings import Settings


@dataclass(frozen=True, slots=True)
class GeminiProvider:
    """The Generative Language API, behind a base path that ends in /v1beta."""

    name: FormatName = FORMAT

    def write(self, prompt: Prompt, model: str) -> Written:
        return request.write(prompt, model)

    def path(self, model: str, stream: bool) -> str:
        return request.path(model, stream)

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        return amend(document, settings, model)

    def reply(self, body: bytes) -> Reply:
        return read_answer(body)

    def parser(self) -> Parser:
        return StreamParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return read_error(status, headers, body)


PROVIDER: ProviderSide = GeminiProvider()
