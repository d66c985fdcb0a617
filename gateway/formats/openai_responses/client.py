"""The half of this format that faces clients."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import SerinusError
from gateway.formats.answer import Reply
from gateway.formats.openai_chat.client_request import assistant_message, is_question
from gateway.formats.openai_chat.errors import error_body
from gateway.formats.openai_responses import client_request
from gateway.formats.openai_responses.client_answer import write_reply
from gateway.formats.openai_responses.client_stream import ResponsesWriter
from gateway.formats.openai_responses.errors import error_event
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import ClientFacts, ClientSide, Conversation, Envelope, Writer

_FACTS = ClientFacts(Conversation("input", assistant_message, is_question))


class _Client:
    @property
    def name(self) -> FormatName:
        return "openai-responses"

    facts = _FACTS

    def prompt(self, values: Mapping[str, Any]) -> Prompt:
        return client_request.read(values)

    def opening(self, values: Mapping[str, Any]) -> str:
        return client_request.opening(values.get("input"))

    def reply(self, reply: Reply, envelope: Envelope) -> bytes:
        return write_reply(reply, envelope)

    def writer(self, envelope: Envelope) -> Writer:
        return ResponsesWriter(envelope)

    def error(self, error: SerinusError, call_id: str) -> bytes:
        return error_body(error)

    def error_event(self, error: SerinusError, call_id: str) -> bytes:
        return error_event(error)


CLIENT: ClientSide = _Client()
