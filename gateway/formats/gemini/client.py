"""The half of the format that faces clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import SerinusError
from gateway.formats.answer import Reply
from gateway.formats.gemini._terms import FORMAT
from gateway.formats.gemini.client_answer import write_reply
from gateway.formats.gemini.client_request import assistant_message, is_question, read_opening, read_prompt
from gateway.formats.gemini.client_stream import StreamWriter
from gateway.formats.gemini.errors import write_error, write_error_event
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import ClientFacts, ClientSide, Conversation, Envelope, Writer

_FACTS = ClientFacts(
    Conversation("contents", assistant_message, is_question, may_lead=False), key_headers=(b"x-goog-api-key",)
)


@dataclass(frozen=True, slots=True)
class GeminiClient:
    """What Google's SDKs speak."""

    name: FormatName = FORMAT

    facts = _FACTS

    def prompt(self, values: Mapping[str, Any]) -> Prompt:
        return read_prompt(values)

    def opening(self, values: Mapping[str, Any]) -> str:
        return read_opening(values)

    def reply(self, reply: Reply, envelope: Envelope) -> bytes:
        return write_reply(reply, envelope)

    def writer(self, envelope: Envelope) -> Writer:
        return StreamWriter(envelope)

    def error(self, error: SerinusError, call_id: str) -> bytes:
        return write_error(error, call_id)

    def error_event(self, error: SerinusError, call_id: str) -> bytes:
        return write_error_event(error, call_id)


CLIENT: ClientSide = GeminiClient()
