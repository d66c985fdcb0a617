"""The Messages API, as a client's format."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import SerinusError
from gateway.formats.answer import Reply
from gateway.formats.anthropic.client_answer import write_reply
from gateway.formats.anthropic.client_request import is_question, opening, read_prompt
from gateway.formats.anthropic.client_stream import MessagesWriter
from gateway.formats.anthropic.errors import error_body, error_event
from gateway.formats.claude.models import NAME
from gateway.formats.openai_chat.client_request import assistant_message
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import ClientFacts, ClientSide, Conversation, Envelope, Writer

_FACTS = ClientFacts(
    Conversation("messages", assistant_message, is_question, may_lead=False), key_headers=(b"x-api-key",)
)


class _Messages:
    """See `ClientSide`."""

    @property
    def name(self) -> FormatName:
        return NAME

    facts = _FACTS

    def prompt(self, values: Mapping[str, Any]) -> Prompt:
        return read_prompt(values)

    def opening(self, values: Mapping[str, Any]) -> str:
        return opening(values)

    def reply(self, reply: Reply, envelope: Envelope) -> bytes:
        return write_reply(reply, envelope)

    def writer(self, envelope: Envelope) -> Writer:
        return MessagesWriter(envelope)

    def error(self, error: SerinusError, call_id: str) -> bytes:
        return error_body(error, call_id)

    def error_event(self, error: SerinusError, call_id: str) -> bytes:
        return error_event(error, call_id)


CLIENT: ClientSide = _Messages()
