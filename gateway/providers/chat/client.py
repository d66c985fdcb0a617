"""Chat completions as clients speak them, for providers of another wire format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.document import encode
from gateway.errors import SerinusError
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
        told = {"message": error.told, "type": error.type, "param": error.param, "code": error.code}
        return encode({"error": told}).encode()

    def error_event(self, error: SerinusError, call_id: str) -> bytes:
        return b"data: " + self.error(error, call_id) + b"\n\n"


CLIENT: ClientSide = ChatClient()
