"""An answer is known again when its client repeats it: in each client format, whole and streamed."""

import json
from typing import Any

import pytest

from gateway.formats.answer_wordings import (
    AnswerWording,
    answers_in,
    end_of,
    has_answer,
    is_prefilled,
    length_of,
    text_in,
    without_speaker,
    wording_in,
    wording_of,
)

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


LONG = " ".join(f"word{number}" for number in range(1000))


def first(values: dict[str, Any]) -> AnswerWording:
    """The wording of the first answer in a request."""
    return wording_in(answers_in(values)[0])


def heard(head: bytes, tail: bytes = b"", prefilled: str = "") -> AnswerWording:
    """The whole wording of an answer's bytes."""
    return wording_of(head, tail, prefilled)._replace(end=end_of(head, tail, prefilled))


def chat(text: str) -> AnswerWording:
    """The same of a chat's answer with that text, as its client repeats it."""
    return wording_in({"role": "assistant", "content": text})


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_first_answer_of_a_history(request_: dict[str, Any]) -> None:
    """Its text, evenly spaced."""
    assert first(request_) == (SAID, SAID, "") and has_answer(request_)


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_same_of_the_answer(answer: bytes) -> None:
    """Whole, streamed, or cut off in its stream."""
    assert heard(answer) == (SAID, SAID, "")
    assert SAID.startswith(wording_of(answer[: len(answer) // 2]).start)


@pytest.mark.parametrize("request_", CALLS)
def test_an_answer_that_only_calls_a_tool(request_: dict[str, Any]) -> None:
    """It is known by the call's id."""
    assert first(request_).exact() == ["#call_1"]


@pytest.mark.parametrize("answer", CALLED)
def test_the_same_of_the_call(answer: bytes) -> None:
    """In each format that has such ids."""
    assert wording_of(answer).exact() == ["#call_1"] and not heard(answer).loose()


@pytest.mark.parametrize("values", [{}, {"messages": [USER]}, {"input": "hi"}, {"messages": 7}, {"contents": [None]}])
def test_a_request_without_a_history(values: dict[str, Any]) -> None:
    """Whatever stands there."""
    assert not has_answer(values) and not answers_in(values) and not is_prefilled(values)


def test_an_answer_that_the_request_has_begun() -> None:
    """The last item is the assistant's."""
    values = {"messages": [USER, {"role": "assistant", "content": "{"}]}
    assert is_prefilled(values) and text_in(answers_in(values)[0]) == "{" and length_of(values) == 2


def test_the_first_and_the_last_words_count() -> None:
    """So that a stream's beginning and end are enough."""
    pieces = events(*({"choices": [{"delta": {"content": f"{word} "}}]} for word in LONG.split()))
    wording = heard(pieces[:32_768], pieces[-8_192:])
    assert wording == chat(LONG) and len(wording.start) == 200 and wording.end == LONG[-24:]


@pytest.mark.parametrize("tag", ["think", "thinking", "reasoning"])
def test_thinking_is_no_part_of_an_answer(tag: str) -> None:
    """Clients leave it out; some models open it in their template and only close it. Unfinished, nothing is known."""
    answer = json.dumps({"choices": [{"message": {"content": f"<{tag}>\nHm. {LONG}</{tag}>\n\nYes, of course."}}]})
    assert heard(answer.encode()) == chat("Yes, of course.") == chat(f"Hm.</{tag}> Yes, of course.")
    assert chat(f"<{tag}>Hm") == ("", "", "")


def test_thinking_that_fills_the_beginning_of_a_stream() -> None:
    """The answer behind it is known by the stream's end."""
    words = ["<think>", *LONG.split(), "</think>", "Yes, ", "of course."]
    pieces = events(*({"choices": [{"delta": {"content": word}}]} for word in words))
    assert heard(pieces[:32_768], pieces[-8_192:]) == chat("Yes, of course.")


def test_what_is_left_of_an_answer_has_a_key_in_common_with_it() -> None:
    """Cut at its end or its beginning, or with something before it."""
    whole = set(chat(LONG).loose())
    for kept in (LONG[:50], LONG[:10], LONG[-100:], f"Bot: {LONG}", f"[12:30] {LONG}"):
        assert whole & set(chat(kept).loose()), kept
    assert without_speaker(chat("Assistant: Hi!")) == ("Hi!", "Assistant: Hi!", "")
    assert without_speaker(chat("Hi!")) is None


def test_what_was_put_before_an_answer_is_part_of_it() -> None:
    """As its client joins them."""
    answer = json.dumps({"choices": [{"message": {"content": '"a": 1}'}}]}).encode()
    assert heard(answer, b"", "{") == chat('{"a": 1}')
