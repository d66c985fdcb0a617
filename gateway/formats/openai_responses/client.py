"""The half of this format that faces clients."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import SerinusError
from gateway.formats import sse
from gateway.formats.answer import Reply
from gateway.formats.openai_chat.errors import error_body
from gateway.formats.openai_responses import items, prompt
from gateway.formats.openai_responses.writer import ResponsesWriter, write_reply
from gateway.formats.prompt import FormatName, Prompt
from gateway.formats.protocol import ClientSide, Envelope, Writer
from gateway.json_body import encode

# How far a stream has come is not known where it breaks, and nothing may come behind its error.
_LAST_NUMBER = (1 << 31) - 1


class _Client:
    @property
    def name(self) -> FormatName:
        return "openai-responses"

    def prompt(self, values: Mapping[str, Any]) -> Prompt:
        return prompt.read(values)

    def opening(self, values: Mapping[str, Any]) -> str:
        return items.opening(values.get("input"))

    def reply(self, reply: Reply, envelope: Envelope) -> bytes:
        return write_reply(reply, envelope)

    def writer(self, envelope: Envelope) -> Writer:
        return ResponsesWriter(envelope)

    def error(self, error: SerinusError, call_id: str) -> bytes:
        return error_body(error)

    def error_event(self, error: SerinusError, call_id: str) -> bytes:
        """An `error` event both as the API documents it and as it sends it, which is what makes SDKs raise."""
        told = {"message": error.told, "type": error.type, "param": error.param, "code": error.code}
        flat = {"code": error.code, "message": error.told, "param": error.param}
        event = {"type": "error", "sequence_number": _LAST_NUMBER, **flat, "error": told}
        return sse.event(encode(event).encode(), "error")


CLIENT: ClientSide = _Client()
