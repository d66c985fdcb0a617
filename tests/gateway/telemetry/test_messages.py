"""Texts in spans: where an agent records them and the operator exports them, by the conventions' shape."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.telemetry.messages import input_messages, output_messages
from tests.support.calling import Place
from tests.support.otlp import OtlpReceiver, named

Serve = Callable[..., Awaitable[Place]]
CAPTURE: Any = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"


def said(kind: Any, text: str, **more: Any) -> ContentPart:
    return ContentPart(kind, text, **more)


def test_the_shape() -> None:
    """Roles and parts of the conventions; arguments as the value that they are."""
    call = ContentMessage("assistant", (said("reasoning", "Hm."), said("tool_call", '{"a":1}', id="c1", name="find")))
    result = ContentMessage("tool", (said("tool_result", "found", id="c1", name="find"),))
    assert json.loads(input_messages(CallContent((call, result)))) == [
        {"role": "assistant", "parts": [
            {"type": "reasoning", "content": "Hm."},
            {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"a": 1}},
        ]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "found"}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("finish", "complete", "reason"),
    [
        ("tool_calls", True, "tool_call"),
        ("end_turn", True, "stop"),
        ("length", True, "length"),
        ("stop", False, "error"),
    ],
)
def test_why_it_ended(finish: str, complete: bool, reason: str) -> None:
    """In the conventions' words; an answer that broke ended in an error."""
    answer = ContentMessage("assistant", (said("refusal", "No."), said("tool_call", "{bad")))
    (message,) = json.loads(output_messages(CallContent((), answer, complete=complete), finish))
    assert message["finish_reason"] == reason and message["parts"][0] == {"type": "text", "content": "No."}
    assert message["parts"][1]["arguments"] == "{bad"
    assert output_messages(CallContent(()), finish) == ""


async def test_exported_where_both_wish_it(serve: Serve, receiver: OtlpReceiver) -> None:
    """On the agent's span, redacted as it is kept; no other span has any text."""
    here = await serve(seams=receiver.seams(**CAPTURE), routing={"record_content": "all"})
    await here.chat(messages=[{"role": "user", "content": "I am ann@birds.example"}])
    spans = await receiver.until(3)
    span = named(spans, f"chat {here.agent}")
    (asked,), (answered,) = json.loads(span.values[INPUT]), json.loads(span.values[OUTPUT])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "I am [redacted: e-mail]"}]}
    assert answered["parts"][0]["content"].startswith("cheep") and answered["finish_reason"] == "stop"
    assert [each.name for each in spans if INPUT in each.values or OUTPUT in each.values] == [span.name]
    assert not any(b"ann@birds" in raw for raw in receiver.raw)


@pytest.mark.parametrize(("capture", "record"), [({}, "all"), (CAPTURE, "off")])
async def test_not_by_one_wish_alone(serve: Serve, receiver: OtlpReceiver, capture: Any, record: str) -> None:
    """Neither the operator of the export nor the agent decides alone."""
    here = await serve(seams=receiver.seams(**capture), routing={"record_content": record})
    await here.chat(messages=[{"role": "user", "content": "untold-words"}])
    await receiver.until(3)
    assert not any(b"untold-words" in raw or b"cheep" in raw for raw in receiver.raw)


async def test_many_texts_are_several_requests(serve: Serve, receiver: OtlpReceiver) -> None:
    """A receiver takes some megabytes at once."""
    here = await serve(seams=receiver.seams(**CAPTURE), routing={"record_content": {"max_call": "256KB"}})
    for _ in range(8):
        await here.chat(messages=[{"role": "user", "content": "many words " * 60_000}])
    await receiver.until(24)
    assert all(len(raw) < 3 << 20 for raw in receiver.raw)
    assert sum(INPUT in span.values for span in receiver.spans) == 8
