import json
from dataclasses import replace
from typing import Any

from gateway.calls import Usage
from gateway.errors import CallerError, ProviderError
from gateway.formats.answer import (
    Begin,
    End,
    Event,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    TextDelta,
    ToolBegin,
    ToolDelta,
)
from gateway.formats.openai_responses.client import CLIENT
from gateway.formats.prompt import Media, OutputShape, Reasoning, Refusal, Text, ToolCall, ToolChoice, ToolSpec
from gateway.formats.protocol import Envelope
from tests.gateway.formats.openai_responses.recordings import ASKED, ENVELOPE, sent


def whole(reply: Reply, envelope: Envelope = ENVELOPE) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(CLIENT.reply(reply, envelope))
    return answer


def streamed(*events: Event) -> list[dict[str, Any]]:
    writer = CLIENT.writer(ENVELOPE)
    return sent(b"".join(writer.write(event) for event in events))


def items(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The output without the ids."""
    return [{name: value for name, value in item.items() if name != "id"} for item in answer["output"]]


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def test_a_whole_answer_has_every_member() -> None:
    """Nothing of it is stored, and the version's instructions and tools are not told."""
    asked = replace(ASKED, tools=(ToolSpec("f"),), tool_choice=ToolChoice("one", "f"), max_tokens=9, temperature=0.5)
    answer = whole(Reply((Text("Hello"),), usage=Usage(10, 4, 5, 2, cache_written=3)), replace(ENVELOPE, prompt=asked))
    (message,) = answer.pop("output")
    assert message.pop("id").startswith("msg_serinus_")
    assert message == {
        "type": "message",
        "role": "assistant",
        "content": [text_part("Hello")],
        "status": "completed",
    }
    assert answer == {
        "id": "resp_serinus_call-1",
        "object": "response",
        "created_at": 1700000000,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": 9,
        "metadata": {},
        "model": "claude-sonnet-4-5",
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 0.5,
        "text": {"format": {"type": "text"}},
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 15,
        },
    }


def test_parts_become_items_in_order() -> None:
    """Text and refusals share a message; thoughts, calls and images have items of their own."""
    parts = (
        Reasoning("T"),
        Reasoning("U", signature="s", signed_by="anthropic"),
        Text("W"),
        Refusal("R"),
        Media("image", "image/png", "AA=="),
        ToolCall("c", "f", ""),
    )
    assert items(whole(Reply(parts, "tool_calls"))) == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "T"}]},
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "U"}],
            "encrypted_content": 'serinus:{"by":"anthropic","signature":"s"}',
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [text_part("W"), {"type": "refusal", "refusal": "R"}],
            "status": "completed",
        },
        {"type": "image_generation_call", "status": "completed", "result": "AA==", "output_format": "png"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
    ]


def test_limits_make_an_answer_incomplete() -> None:
    """The reason is told, and the item that it cut is incomplete too."""
    answer = whole(Reply((Text("Once"),), "length"))
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert answer["output"][0]["status"] == "incomplete"
    assert whole(Reply((), "content_filter"))["incomplete_details"] == {"reason": "content_filter"}


def test_a_refusal_without_words_gets_some() -> None:
    """Only a refusal's words say that it is one."""
    answer = whole(Reply((), "refusal"))
    assert answer["output"][0]["content"] == [{"type": "refusal", "refusal": "The model declined to answer."}]


def test_signed_thoughts_and_calls_come_back_as_they_went() -> None:
    """A client that gives an answer back as input gives another format's provider back what that one signed."""
    parts = (
        Reasoning("T", signature="s", signed_by="anthropic"),
        Reasoning(encrypted="e", signed_by="anthropic"),
        Text("W"),
        ToolCall("c", "f", "{}", signature="g", signed_by="gemini"),
        ToolCall("d", "f", "{}"),
    )
    output = whole(Reply(parts, "tool_calls"))["output"]
    assert CLIENT.prompt({"input": output}).messages[0].parts == parts


def test_a_call_that_gemini_signed_streams_behind_its_seal() -> None:
    """The item before the call carries what its provider wants back."""
    events = streamed(Begin(), ToolBegin(0, "c", "f", "g", "gemini"), ToolDelta(0, ""), End("tool_calls"))
    seal, call = items(events[-1]["response"])
    assert seal["encrypted_content"] == 'serinus:{"by":"gemini","signature":"g","call_id":"c"}'
    assert (call["call_id"], call["arguments"]) == ("c", "{}")


def test_media_by_url_is_told_as_text() -> None:
    """An answer has no other place for it."""
    assert items(whole(Reply((Media("video", url="https://e.com/v"),))))[0]["content"] == [text_part("https://e.com/v")]


def test_the_shape_that_was_asked_for_is_told() -> None:
    """Structured output is echoed, as clients of this API expect."""
    envelope = replace(
        ENVELOPE, prompt=replace(ASKED, output=OutputShape({"type": "object"}, "a"), hints={"metadata": {"k": "v"}})
    )
    answer = whole(Reply((Text("{}"),)), envelope)
    assert answer["text"] == {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}
    assert answer["metadata"] == {"k": "v"}


def test_log_probabilities_are_never_null() -> None:
    """SDKs want the bytes of every token."""
    logprobs = [{"token": "é", "logprob": -0.1, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -1}]}, 3]
    part = whole(Reply((Text("é", logprobs=logprobs),)))["output"][0]["content"][0]
    top = {"token": "e", "logprob": -1, "bytes": [101]}
    assert part["logprobs"] == [{"token": "é", "logprob": -0.1, "bytes": [195, 169], "top_logprobs": [top]}]


def test_a_text_streams_with_every_event() -> None:
    """Items and parts are opened and closed around the deltas, under one id, numbered from 0."""
    events = streamed(Begin(), TextDelta("Hel"), TextDelta("lo"), End("stop", Usage(1, 0, 2)))
    assert [event["sequence_number"] for event in events] == list(range(10))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert (events[2]["item"]["content"], events[2]["item"]["status"]) == ([], "in_progress")
    assert events[3]["part"] == text_part("")
    assert (events[6]["text"], events[7]["part"], events[8]["item"]["content"]) == (
        "Hello",
        text_part("Hello"),
        [text_part("Hello")],
    )
    assert len({event["item_id"] for event in events[3:8]} | {events[2]["item"]["id"]}) == 1
    assert events[9]["response"] == whole(Reply((Text("Hello"),), usage=Usage(1, 0, 2)))


def test_interleaved_calls_stream() -> None:
    """Calls are open side by side, each at its own place, and closed at the end in order."""
    events = streamed(
        Begin(),
        ToolBegin(0, "c", "f"),
        ToolDelta(0, '{"a"'),
        ToolBegin(1, "d", "g"),
        ToolDelta(1, "{}"),
        ToolDelta(0, ":1}"),
        End("tool_calls"),
    )
    deltas = [(e["output_index"], e["delta"]) for e in events if e["type"].endswith("arguments.delta")]
    assert deltas == [(0, '{"a"'), (1, "{}"), (0, ":1}")]
    done = [(e["output_index"], e["arguments"]) for e in events if e["type"].endswith("arguments.done")]
    assert done == [(0, '{"a":1}'), (1, "{}")]
    assert items(events[-1]["response"])[0] == {
        "type": "function_call",
        "call_id": "c",
        "name": "f",
        "arguments": '{"a":1}',
        "status": "completed",
    }


def test_thoughts_stream_before_the_words() -> None:
    """What signs a thought closes its item, and the words open another."""
    events = streamed(
        Begin(),
        ReasoningDelta("Th"),
        ReasoningDelta("ink"),
        ReasoningDelta(signature="s", signed_by="anthropic"),
        TextDelta("W"),
        RefusalDelta("R"),
        End("refusal"),
    )
    assert [event["type"].removeprefix("response.") for event in events[2:9]] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert events[8]["item"]["encrypted_content"] == 'serinus:{"by":"anthropic","signature":"s"}'
    assert [event["content_index"] for event in events if event["type"].endswith("content_part.added")] == [0, 1]
    assert events[-1]["type"] == "response.completed"


def test_a_stream_that_meets_its_limit_ends_incomplete() -> None:
    """The last event is another one then."""
    event = streamed(Begin(), TextDelta("Once"), End("length"))[-1]
    assert (event["type"], event["response"]["status"]) == ("response.incomplete", "incomplete")


def test_ids_come_of_the_call() -> None:
    """The same call has the same ids, another call others; none is longer than OpenAI takes back."""
    one, same = whole(Reply((Text("a"),))), whole(Reply((Text("b"),)))
    other = whole(Reply((Text("a"),)), replace(ENVELOPE, call_id="x" * 64))
    ids = [answer["output"][0]["id"] for answer in (one, same, other)]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[2]) <= 64


def test_errors_are_openais() -> None:
    """An error body like that of chat completions; upstream's hosts and ports are not told."""
    error = json.loads(CLIENT.error(CallerError("'input' is missing", param="input"), "call-1"))
    assert error == {
        "error": {"message": "'input' is missing", "type": "invalid_request_error", "param": "input", "code": None}
    }


def test_a_broken_stream_ends_with_an_error_event() -> None:
    """As documented, and with the nested error that OpenAI sends, which makes its SDKs raise, and behind all others."""
    (event,) = sent(CLIENT.error_event(ProviderError("truncated", "10.0.0.1 hung up"), "call-1"))
    assert event["error"].pop("serinus")["failed_by"] == "provider"
    message, code = "the provider's answer ended early", "upstream_truncated"
    assert event == {
        "type": "error",
        "sequence_number": 2147483647,
        "code": code,
        "message": message,
        "param": None,
        "error": {"message": message, "type": "upstream_error", "param": None, "code": code},
    }
