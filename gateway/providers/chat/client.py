"""Chat completions as clients speak them, for providers of another wire format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import SerinusError
from gateway.providers.chat.errors import error_body, error_event
from gateway.providers.chat.events import ChatWriter
from gateway.providers.chat.opening import opening
from gateway.providers.chat.prompt import read_prompt
from gateway.providers.chat.reply import write_reply
from gateway.providers.formats import ClientSide, Envelope, Writer
from gateway.providers.prompt import FormatName, Prompt
from gateway.providers.reply import Reply


@dataclass(frozen=True, slots=True)
class ChatClient:
    """The half of chat completions that faces clients."""

    name: FormatName = field(default="openai", init=False)

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
