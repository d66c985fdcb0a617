"""Converse as Bedrock speaks it, for clients of any wire format: no client speaks it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.bedrock._framing import EventStreamFramer
from gateway.formats.bedrock.errors import provider_error
from gateway.formats.bedrock.provider_answer import read_reply
from gateway.formats.bedrock.provider_request import path, write
from gateway.formats.bedrock.provider_stream import ConverseParser
from gateway.formats.prompt import FormatName, Prompt, Untranslatable
from gateway.formats.protocol import Parser, ProviderFacts, ProviderSide, Written
from gateway.formats.settings import Settings
from gateway.json_body import Document

_FACTS = ProviderFacts(price_source="aws", stream_type=b"application/vnd.amazon.eventstream", framer=EventStreamFramer)


@dataclass(frozen=True, slots=True)
class ConverseProvider:
    """The half of Converse that faces Bedrock."""

    name: FormatName = field(default="bedrock", init=False)

    facts = _FACTS

    def write(self, prompt: Prompt, model: str) -> Written:
        return write(prompt, model)

    def path(self, model: str, stream: bool) -> str:
        return path(model, stream)

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        """Raises Untranslatable: there is no client of this format whose request could be amended."""
        raise Untranslatable("no client speaks Converse", param="model")

    def reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def parser(self) -> Parser:
        return ConverseParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return provider_error(status, headers, body)


PROVIDER: ProviderSide = ConverseProvider()
