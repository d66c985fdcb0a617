"""A first answer is known again when its client repeats it: in each client format, whole and streamed."""

import json
from typing import Any

import pytest

from gateway.formats.first_answers import first_answer_in, first_answer_of

TEXT = "It is  on its way.\nSoon."
SAID = "It is on its way. Soon."


def events(*values: Any) -> bytes:
    return (
        b"".join(b"event: x\ndata: " + json.dumps(value).encode() + b"\n\n" for value in values) + b"data: [DONE]\n\n"
    )


USER = {"role": "user", "content": "hi"}
REQUESTS: list[dict[str, Any]] = [
    {"messages": [USER, {"role": "assistant", "content": TEXT}, USER]},
    {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}, USER]},
    {"input": [USER, {"type": "reasoning"}, {"role": "assistant", "content": [{"type": "output_text", "text": TEXT}]}]},
    {"contents": [{"role": "user"}, {"role": "model", "parts": [{"text": "Hm", "thought": True}, {"text": TEXT}]}]},
]
ANSWERS: list[bytes] = [
    json.dumps({"choices": [{"message": {"role": "assistant", "content": TEXT}}]}).encode(),
    json.dumps({"type": "message", "content": [{"type": "thinking"}, {"type": "text", "text": TEXT}]}).encode(),
    json.dumps(
        {"output": [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": TEXT}]}]}
    ).encode(),
    json.dumps({"candidates": [{"content": {"parts": [{"text": TEXT}]}}]}).encode(),
    events(*({"choices": [{"delta": {"content": part}}]} for part in ("It is ", " on its way.\n", "Soon."))),
    events(
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": TEXT}},
    ),
    events({"type": "response.created", "response": {}}, {"type": "response.output_text.delta", "delta": TEXT}),
    events(*({"candidates": [{"content": {"parts": [{"text": part}]}}]} for part in ("It is on its ", "way. Soon."))),
]
CALLS = [
    {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1"}]}]},
    {"messages": [USER, {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1"}]}]},
    {"input": [USER, {"type": "function_call", "call_id": "call_1"}]},
]
CALLED = [
    events(
        {"choices": [{"delta": {"tool_calls": [{"id": "call_1"}]}}]}, {"choices": [{"delta": {"tool_calls": [{}]}}]}
    ),
    events({"type": "content_block_start", "content_block": {"type": "tool_use", "id": "call_1"}}),
    events({"type": "response.output_item.added", "item": {"type": "function_call", "call_id": "call_1", "id": "fc"}}),
    json.dumps({"output": [{"type": "function_call", "call_id": "call_1"}]}).encode(),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_first_answer_of_a_history(request_: dict[str, Any]) -> None:
    """Its text, evenly spaced."""
    assert first_answer_in(request_) == SAID


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_same_of_the_answer(answer: bytes) -> None:
    """Whole, streamed, or cut off in its stream."""
    assert first_answer_of(answer) == SAID
    assert SAID.startswith(first_answer_of(answer[: len(answer) // 2]))


@pytest.mark.parametrize("request_", CALLS)
def test_an_answer_that_only_calls_a_tool(request_: dict[str, Any]) -> None:
    """It is known by the call's id."""
    assert first_answer_in(request_) == "call_1"


@pytest.mark.parametrize("answer", CALLED)
def test_the_same_of_the_call(answer: bytes) -> None:
    """In each format that has such ids."""
    assert first_answer_of(answer) == "call_1"


@pytest.mark.parametrize("values", [{}, {"messages": [USER]}, {"input": "hi"}, {"messages": 7}, {"contents": [None]}])
def test_a_request_without_a_history(values: dict[str, Any]) -> None:
    """Whatever stands there."""
    assert first_answer_in(values) is None


def test_only_the_first_words_count() -> None:
    """So that the beginning of a stream is enough."""
    long = "word " * 1000
    whole = json.dumps({"choices": [{"message": {"content": long}}]}).encode()
    assert first_answer_in({"messages": [{"role": "assistant", "content": long}]}) == first_answer_of(whole)
    assert len(first_answer_of(whole)) == 200
