"""The Messages API, as a client's format."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import SerinusError
from gateway.providers.formats import ClientSide, Envelope, Writer
from gateway.providers.messages.answer import write_reply
from gateway.providers.messages.errors import error_body, error_event
from gateway.providers.messages.prompt import opening, read_prompt
from gateway.providers.messages.shared import NAME
from gateway.providers.messages.writer import MessagesWriter
from gateway.providers.prompt import FormatName, Prompt
from gateway.providers.reply import Reply


class _Messages:
    """See `ClientSide`."""

    @property
    def name(self) -> FormatName:
        return NAME

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
