"""The end of an answer is believed only where it is one: in every format, whole and streamed."""

import json
from typing import Any

import pytest

from gateway.calls import FormatName
from gateway.errors import ProviderError
from gateway.formats.anthropic.client_stream import MessagesWriter
from gateway.formats.ends import INTERRUPTED
from gateway.formats.framing import SseFramer
from gateway.formats.openai_chat.provider_answer import read_answer
from gateway.formats.openai_chat.provider_stream import ChatParser, StreamReader
from gateway.formats.prompt import Prompt
from gateway.formats.protocol import Envelope
from gateway.formats.reader import Reader
from gateway.formats.registry import PROVIDERS
from tests.gateway.formats.bedrock import wire

Body = dict[str, Any]
FORMATS = tuple(PROVIDERS)
DONE = b"data: [DONE]\n\n"


def whole(name: FormatName, reason: str, text: str = "half") -> Body:
    """An answer of that format that ended for that reason."""
    match name:
        case "openai":
            message = {"role": "assistant", "content": text}
            return {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}
        case "openai-responses":
            part = {"type": "output_text", "text": text}
            return {"status": "incomplete", "incomplete_details": {"reason": reason},
                    "output": [{"type": "message", "content": [part]}]}  # fmt: skip
        case "anthropic":
            return {"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": reason}
        case "gemini-interactions":
            return {"status": reason, "steps": [{"type": "model_output", "content": [{"type": "text", "text": text}]}]}
        case "gemini":
            return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": reason}]}
    return {"output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": reason}


def streamed(name: FormatName, reason: str, text: str = "half") -> list[Body]:
    """The events of a stream of that format: some text, and the reason why it ended."""
    match name:
        case "openai":
            return [{"choices": [{"index": 0, "delta": {"content": said}, "finish_reason": why}]}
                    for said, why in ((text, None), ("", reason))]  # fmt: skip
        case "openai-responses":
            response = whole(name, reason, text)
            return [{"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text},
                    {"type": "response.incomplete", "response": response}]  # fmt: skip
        case "anthropic":
            return [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text}},
                    {"type": "message_delta", "delta": {"stop_reason": reason}},
                    {"type": "message_stop"}]  # fmt: skip
        case "gemini-interactions":
            return [{"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": text}},
                    {"event_type": "interaction.completed", "interaction": {"status": reason}}]  # fmt: skip
        case "gemini":
            return [{"candidates": [{"content": {"parts": [{"text": text}]}}]},
                    {"candidates": [{"content": {}, "finishReason": reason}]}]  # fmt: skip
    return [{"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}},
            {"messageStop": {"stopReason": reason}}, {"metadata": {"usage": {}}}]  # fmt: skip


def sent(name: FormatName, events: list[Body]) -> bytes:
    if name == "bedrock":
        return b"".join(wire.event(*_typed(event)) for event in events)
    return b"".join(b"data: " + json.dumps(each, separators=(",", ":")).encode() + b"\n\n" for each in events)


def _typed(event: Body) -> tuple[str, bytes]:
    [(kind, payload)] = event.items()
    return kind, json.dumps(payload).encode()


def read(name: FormatName, stream: bytes) -> Reader:
    side = PROVIDERS[name]
    reader = Reader(side.parser(), None, side.facts.framer())
    reader.feed(stream)
    reader.end()
    return reader


@pytest.mark.parametrize("reason", sorted(INTERRUPTED))
@pytest.mark.parametrize("name", FORMATS)
def test_an_interrupted_answer_is_an_error(name: FormatName, reason: str) -> None:
    """What the provider could not finish is no answer, whether it came at once or in pieces."""
    with pytest.raises(ProviderError) as caught:
        PROVIDERS[name].reply(json.dumps(whole(name, reason)).encode())
    failure = read(name, sent(name, streamed(name, reason))).failure
    assert (caught.value.kind, failure and failure.kind) == ("error_in_answer", "error_in_answer")


@pytest.mark.parametrize("name", ["openai", "anthropic", "bedrock", "gemini"])
def test_an_empty_reason_is_none(name: FormatName) -> None:
    """A stream whose every reason is empty was cut, however orderly it ends."""
    events = streamed(name, "")
    ended = sent(name, events[:-1] if name in ("anthropic", "bedrock") else events)
    failure = read(name, ended).failure
    assert failure is not None and failure.kind == "truncated"


def test_an_unspecified_reason_is_none() -> None:
    """The default of Google's enumeration ends nothing."""
    failure = read("gemini", sent("gemini", streamed("gemini", "FINISH_REASON_UNSPECIFIED"))).failure
    assert failure is not None and failure.kind == "truncated"


@pytest.mark.parametrize(
    ("reason", "failure"), [("", "truncated"), *((each, "error_in_answer") for each in sorted(INTERRUPTED))]
)
def test_a_stream_that_goes_through(reason: str, failure: str) -> None:
    """The short way of chat completions sees the same; what is wrong is not handed on."""
    reader = StreamReader(False)
    out = reader.feed(sent("openai", streamed("openai", reason))) + reader.end()
    assert reader.failure is not None and reader.failure.kind == failure
    assert reason in ("", *INTERRUPTED) and (not reason or reason.encode() not in out)


def test_empty_reasons_before_the_end_marker() -> None:
    """The end marker ends a stream whose reasons are empty."""
    reader = StreamReader(False)
    reader.feed(sent("openai", streamed("openai", "")) + DONE)
    reader.end()
    assert reader.failure is None


@pytest.mark.parametrize("error", [{"code": 502, "message": "the model went away"}, "the model went away"])
def test_an_error_inside_a_choice(error: Any) -> None:
    """OpenRouter puts the error of a model into its choice, whole and streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "delta": {"content": ""}, "error": error}
    body = {"choices": [{**choice, "finish_reason": "stop"}]}
    with pytest.raises(ProviderError) as caught:
        read_answer(json.dumps(body).encode())
    reader = StreamReader(False)
    relayed = reader.feed(sent("openai", [body]))
    with pytest.raises(ProviderError) as parsed:
        ChatParser().take("", json.dumps(body).encode())
    assert caught.value.message == parsed.value.message == "the model went away"
    assert reader.failure is not None and reader.failure.message == "the model went away" and relayed == b""


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("model_length", "length"), ("model_context_window_exceeded", "length"), ("sensitive", "content_filter"),
     ("eos", "stop"), ("tool_calls", "stop"), ("function_call", "stop")],
)  # fmt: skip
def test_words_of_single_providers(reason: str, stop: str) -> None:
    """Providers have words of their own for an end; a call that is announced and does not come is none."""
    reply = PROVIDERS["openai"].reply(json.dumps(whole("openai", reason)).encode())
    parser = ChatParser()
    events = [event for each in streamed("openai", reason) for event in parser.take("", json.dumps(each).encode())]
    last = [*events, *parser.end()][-1]
    assert reply.stop == stop and getattr(last, "stop", None) == stop


def test_a_call_that_does_not_come() -> None:
    """A client of Messages is not told to run a function where there is none to run."""
    writer = MessagesWriter(Envelope("c", "m", 0, Prompt(())))
    reader = Reader(ChatParser(), writer, SseFramer())
    out = reader.feed(sent("openai", streamed("openai", "tool_calls")) + DONE)
    assert b'"end_turn"' in out and b"tool_use" not in out
