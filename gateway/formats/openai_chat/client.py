"""Chat completions as clients speak them, for providers of another wire format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import SerinusError
from gateway.formats.answer import Reply
from gateway.formats.openai_chat.client_answer import write_reply
from gateway.formats.openai_chat.client_request import assistant_message, is_question, opening, read_prompt
from gateway.formats.openai_chat.client_stream import ChatWriter
from gateway.formats.openai_chat.errors import error_body, error_event
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import ClientFacts, ClientSide, Conversation, Envelope, Writer

_FACTS = ClientFacts(Conversation("messages", assistant_message, is_question))


@dataclass(frozen=True, slots=True)
class ChatClient:
    """The half of chat completions that faces clients."""

    name: FormatName = field(default="openai", init=False)

    facts = _FACTS

    def prompt(self, values: Mapping[str, Any]) -> Prompt:
        return read_prompt(values)

    def opening(self, values: Mapping[str, Any]) -> str:
        return opening(values)

    def reply(self, reply: Reply, envelope: Envelope) -> bytes:
        return write_reply(reply, envelope)

    def writer(self, envelope: Envelope) -> Writer:
        return ChatWriter(envelope)

    def error(self, error: SerinusError, call_id: str) -> bytes:
        return error_body(error)

    def error_event(self, error: SerinusError, call_id: str) -> bytes:
        return error_event(error_body(error))


CLIENT: ClientSide = ChatClient()
