"""Clients in any wire format: reading their requests, and the gateway's own answers to them."""

from typing import Any

from gateway.calls import Call, FormatName, Usage
from gateway.errors import ProviderError, SerinusError
from gateway.formats.answer import Begin, End, Reply, TextDelta
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.prompt import Prompt, Text
from gateway.formats.protocol import Envelope
from gateway.formats.registry import CLIENTS, PROVIDERS

# Beginnings of the paths of formats whose dialect is not OpenAI's, which the server speaks by itself.
_OWN_PATHS = [
    ((side.door.owns.rstrip("/"), *(side.others.uploads.prefixes if side.others and side.others.uploads else ())), side)
    for side in sorted(CLIENTS.values(), key=lambda side: -len(side.door.owns or ""))  # the closest first
    if side.door.owns is not None
]


def opening_of(call: Call) -> str:
    """The first user message of a call, which tells its conversation from others. Raises CallerError."""
    values = call.document.values
    if call.operation != "generate":  # no conversation: what it is about stands for it
        texts = call.document.texts
        return texts.get("input") or texts.get("prompt") or ""
    return CLIENTS[call.format].opening(values)


def statement(call: Call, text: str, at: float) -> bytes:
    """An answer in the gateway's own words, streamed if that was asked; `at` in Unix seconds."""
    client = CLIENTS[call.format]
    asked = Prompt((), stream=call.stream, wants_usage=call.wants_usage)
    envelope = Envelope(call.id, call.agent, int(at), asked, echo=call.prompt)
    if not call.stream:
        return client.reply(Reply((Text(text),), usage=Usage()), envelope)
    writer = client.writer(envelope)
    return b"".join([writer.write(event) for event in (Begin(usage=Usage()), TextDelta(text), End(usage=Usage()))])


def chat_messages(call: Call) -> list[Any]:
    """The conversation of a call as chat completions' messages. Raises CallerError."""
    if call.operation != "generate":
        return as_one_message(call)
    if call.format == CHAT:
        messages: list[Any] = call.document.values["messages"]
        return messages
    prompt = Prompt(CLIENTS[call.format].prompt(call.document.values).messages)
    written: list[Any] = PROVIDERS[CHAT].write(prompt, "").body["messages"]
    return written


def as_one_message(call: Call) -> list[Any]:
    """The whole request of a call as the text of one message."""
    return [{"role": "user", "content": call.document.render({}).decode()}]


def error_body(error: SerinusError, client: FormatName, call_id: str) -> bytes:
    """The body that tells a client of an error: upstream's own words where it may see them, ours otherwise."""
    if isinstance(error, ProviderError) and error.body is not None:
        return error.body
    return CLIENTS[client].error(error, call_id)


def refusal_body(refusal: SerinusError, path: str, id_: str) -> bytes | None:
    """Return a refusal's body in the dialect of a path that is one format's alone; None for any other path."""
    client = next((side for paths, side in _OWN_PATHS if path.startswith(paths)), None)
    return None if client is None else client.error(refusal, id_)


def error_event(error: SerinusError, client: FormatName, call_id: str) -> bytes:
    """The server-sent event that ends a stream that broke."""
    return CLIENTS[client].error_event(error, call_id)
