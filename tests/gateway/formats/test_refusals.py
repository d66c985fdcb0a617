"""Refusals inside a 200: a content filter's and the model's own, in every format, whole and streamed."""

import json
from typing import Any

import pytest

from gateway.calls import FormatName
from gateway.formats.answer import End
from gateway.formats.framing import SseFramer
from gateway.formats.openai_chat.provider_answer import inspected
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.formats.reader import Reader
from gateway.formats.registry import PROVIDERS

Body = dict[str, Any]


def chat(finish: str, **message: Any) -> Body:
    return {"choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}]}


def message(stop: str) -> Body:
    return {"type": "message", "content": [{"type": "text", "text": "no"}], "stop_reason": stop}


def response(status: str, **more: Any) -> Body:
    part = {"type": more.pop("part", "output_text"), "text": "no", "refusal": "no"}
    output = [{"type": "message", "role": "assistant", "content": [part]}]
    return {"object": "response", "status": status, "output": output, **more}


def candidate(finish: str) -> Body:
    return {"candidates": [{"content": {"parts": [{"text": "no"}]}, "finishReason": finish}]}


def converse(stop: str) -> Body:
    return {"output": {"message": {"role": "assistant", "content": [{"text": "no"}]}}, "stopReason": stop}


def interaction(status: str, **more: Any) -> Body:
    return {"status": status, "steps": [{"type": "model_output", "content": [{"type": "text", "text": "no"}]}], **more}


FILTERED = {"reason": "content_filter"}
WHOLE: list[tuple[FormatName, Body, bool]] = [
    ("openai", chat("content_filter", content="half a"), True),
    ("openai", chat("stop", content=None, refusal="I cannot."), True),
    ("openai", chat("stop", content="yes", refusal=None), False),
    ("anthropic", message("refusal"), True),
    ("anthropic", message("end_turn"), False),
    ("openai-responses", response("incomplete", incomplete_details=FILTERED), True),
    ("openai-responses", response("completed", part="refusal"), True),
    ("openai-responses", response("completed"), False),
    ("gemini", candidate("SAFETY"), True),
    ("gemini", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, True),
    ("gemini", candidate("STOP"), False),
    ("gemini-interactions", interaction("failed", errors=[{"code": "safety", "message": "no"}]), True),
    ("gemini-interactions", interaction("completed"), False),
    ("bedrock", converse("guardrail_intervened"), True),
    ("bedrock", converse("content_filtered"), True),
    ("bedrock", converse("end_turn"), False),
]


@pytest.mark.parametrize(("name", "body", "refused"), WHOLE)
def test_a_whole_refusal_is_known_as_one(name: FormatName, body: Body, refused: bool) -> None:
    """By what the provider says of the answer's end; no text is read."""
    assert PROVIDERS[name].reply(json.dumps(body).encode()).refused is refused
    assert name != "openai" or inspected(body, b"").refused is refused


def events(*said: Body) -> bytes:
    lines = [f"event: {each['type']}\n" if "type" in each else "" for each in said]
    return "".join(
        f"{line}data: {json.dumps(each, separators=(',', ':'))}\n\n" for line, each in zip(lines, said, strict=True)
    ).encode()


def delta(finish: str | None = None, **said: Any) -> Body:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


CHAT_STREAMS = [
    ((delta(content="half a"), delta("content_filter")), True),
    ((delta(refusal="I "), delta(refusal="cannot."), delta("stop")), True),
    ((delta(content="y", refusal=None), delta(content="es", refusal=None), delta("stop")), False),
]


@pytest.mark.parametrize(("said", "refused"), CHAT_STREAMS)
def test_a_streamed_refusal_of_chat_completions(said: tuple[Body, ...], refused: bool) -> None:
    """Also where the stream is relayed as it comes."""
    reader = StreamReader(wants_usage=False)
    for each in said:
        reader.feed(events(each))
    reader.feed(b"data: [DONE]\n\n")
    assert (reader.refused, reader.failure) == (refused, None)


STREAMS: list[tuple[FormatName, tuple[Body, ...], bool]] = [
    ("gemini", (candidate("STOP"),), False),
    ("gemini", (candidate("SAFETY"),), True),
    ("openai", (delta(content="half a"), delta("content_filter")), True),
    ("gemini-interactions", ({"event_type": "error", "error": {"code": "safety", "message": "no"}},), True),
    ("gemini-interactions", ({"event_type": "interaction.completed", "interaction": interaction("completed")},), False),
]


@pytest.mark.parametrize(("name", "said", "refused"), STREAMS)
def test_a_streamed_refusal_of_another_format(name: FormatName, said: tuple[Body, ...], refused: bool) -> None:
    """The end of the answer says so, whatever format the client speaks."""
    reader = Reader(PROVIDERS[name].parser(), None, SseFramer())
    reader.feed(events(*said) + (b"data: [DONE]\n\n" if name == "openai" else b""))
    reader.end()
    assert (reader.refused, reader.failure) == (refused, None)


@pytest.mark.parametrize("stop", ["content_filter", "refusal", "stop"])
def test_an_end_tells(stop: Any) -> None:
    """The formats' parsers all end in one such event."""
    assert End(stop).refused is (stop != "stop")
