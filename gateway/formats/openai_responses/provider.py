"""The half of this format that faces providers."""

from collections.abc import Mapping

from gateway.errors import Headers, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.openai_chat.answer import read_error
from gateway.formats.openai_responses import amend, answer, request
from gateway.formats.openai_responses.stream import ResponsesParser
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import Parser, ProviderSide, Written
from gateway.formats.settings import Settings
from gateway.json_body import Document

# What chat completions, and so versions, call the fields that an error may be about.
_IN_CHAT: Mapping[str, str] = {
    "max_output_tokens": "max_tokens",
    "reasoning": "reasoning_effort",
    "reasoning.effort": "reasoning_effort",
    "text.format": "response_format",
    "text.verbosity": "verbosity",
}


class _Provider:
    @property
    def name(self) -> FormatName:
        return "openai-responses"

    def write(self, prompt: Prompt, model: str) -> Written:
        return request.write(prompt, model)

    def path(self, model: str, stream: bool) -> str:
        return request.PATH

    def amend(self, document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        return amend.amend(document, settings, model)

    def reply(self, body: bytes) -> Reply:
        return answer.read_reply(body)

    def parser(self) -> Parser:
        return ResponsesParser()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Errors look as those of chat completions do, and name fields of this format."""
        error = read_error(status, headers, body)
        error.param = _IN_CHAT.get(error.param or "", error.param)
        return error


PROVIDER: ProviderSide = _Provider()
