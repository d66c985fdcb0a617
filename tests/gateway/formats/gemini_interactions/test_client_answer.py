"""What a client of the Interactions API gets: whole answers, streams, and errors."""

import json
from typing import Any

import pytest

from gateway.calls import Usage
from gateway.errors import BodyTooLarge, Overloaded, ProviderError, SerinusError, UnknownModel
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
from gateway.formats.gemini_interactions.client import CLIENT
from gateway.formats.prompt import Media, Prompt, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.formats.sse import data, name, split

ENVELOPE = Envelope("call-1", "m", 1_700_000_000, Prompt(()))
NAME = CLIENT.name


def test_a_whole_answer() -> None:
    """Text and media in a row are one step; signatures of other formats stay behind."""
    parts = (
        Reasoning("so", "x", signed_by="anthropic"), Reasoning("", "sig", signed_by=NAME), Reasoning(""),
        Text("Hi"), Media("image", "image/png", "eA=="), Refusal(" no"), ToolCall("c", "f", '{"a":1}'),
        Media("image", file_id="file-1"), Text(""),
    )  # fmt: skip
    found = json.loads(CLIENT.reply(Reply(parts, "tool_calls", Usage(9, 4, 8, 5)), ENVELOPE))
    assert found == {
        "id": "int_serinus_call-1", "object": "interaction", "model": "m", "status": "requires_action",
        "created": "2023-11-14T22:13:20Z", "updated": "2023-11-14T22:13:20Z",
        "steps": [
            {"type": "thought", "summary": [{"type": "text", "text": "so"}]},
            {"type": "thought", "signature": "sig"},
            {"type": "model_output", "content": [
                {"type": "text", "text": "Hi"}, {"type": "image", "data": "eA==", "mime_type": "image/png"},
                {"type": "text", "text": " no"},
            ]},
            {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}},
        ],
        "usage": {
            "total_tokens": 17, "total_input_tokens": 9, "total_cached_tokens": 4, "total_output_tokens": 3,
            "total_tool_use_tokens": 0, "total_thought_tokens": 5,
        },
    }  # fmt: skip


@pytest.mark.parametrize("stop", ["content_filter", "refusal"])
def test_a_blocked_answer(stop: Any) -> None:
    """It has failed with the code that says so; what was said before stays."""
    found = json.loads(CLIENT.reply(Reply((Text("half"),), stop), ENVELOPE))
    assert (found["status"], found["errors"][0]["code"], len(found["steps"])) == ("failed", "content_blocked", 1)


def written(*events: Event) -> list[Any]:
    writer = CLIENT.writer(ENVELOPE)
    out = b"".join(writer.write(each) for each in events)
    said = [(name(each), data(each)) for each in split(out)]
    *told, last = said
    assert last == ("done", b"[DONE]") and all(json.loads(text)["event_type"] == kind for kind, text in told)
    return [json.loads(text) for _, text in told]


def shown(events: list[Any]) -> list[Any]:
    """Each event by its kind, its step, and what it says."""
    return [
        (event["event_type"].removeprefix("step."), event["index"], event.get("step") or event.get("delta"))
        for event in events
        if event["event_type"].startswith("step.")
    ]


def test_a_stream() -> None:
    """A thought that its signature closes, text, and the end with the usage."""
    events = written(
        Begin(), ReasoningDelta("so"), ReasoningDelta("", "sig", signed_by=NAME), TextDelta("H"), TextDelta(""),
        RefusalDelta("i"), End("stop", Usage(9, 4, 3)),
    )  # fmt: skip
    assert [events[0]["interaction"]["status"], events[1]["status"]] == ["in_progress"] * 2
    assert shown(events) == [
        ("start", 0, {"type": "thought"}),
        ("delta", 0, {"type": "thought_summary", "content": {"type": "text", "text": "so"}}),
        ("delta", 0, {"type": "thought_signature", "signature": "sig"}), ("stop", 0, None),
        ("start", 1, {"type": "model_output"}), ("delta", 1, {"type": "text", "text": "H"}),
        ("delta", 1, {"type": "text", "text": "i"}), ("stop", 1, None),
    ]  # fmt: skip
    assert events[-1]["interaction"]["usage"]["total_input_tokens"] == 9


def test_calls_that_come_interleaved() -> None:
    """Each piece names its step; a call is closed when it is whole, and all of them at the end."""
    events = written(
        ToolBegin(0, "a", "f"), ToolDelta(0, '{"x":'), ToolBegin(1, "b", "g"), ToolDelta(1, "{}"), ToolDelta(0, "1}"),
        ToolDelta(7, "?"), ToolBegin(2, "c", "h"), End("tool_calls"),
    )  # fmt: skip
    steps = shown(events)
    for index, arguments in enumerate(('{"x":1}', "{}", "{}")):
        mine = [(kind, said) for kind, at, said in steps if at == index]
        assert (mine[0][0], mine[-1][0]) == ("start", "stop")
        assert "".join(said["arguments"] for kind, said in mine if kind == "delta") == arguments
    assert events[-1]["interaction"]["status"] == "requires_action"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownModel("no"), "model_not_found"), (BodyTooLarge("no"), "invalid_request"),
        (SerinusError("no"), "api_error"),
        (Overloaded("no"), "service_unavailable"), (ProviderError("timeout", "no"), "deadline_exceeded"),
        (ProviderError("untranslatable", "no", param="seed"), "invalid_request"),
    ],
)  # fmt: skip
def test_errors(error: SerinusError, code: str) -> None:
    """The API's own code and a message, with Serinus's own reason and the field beside them."""
    told = json.loads(CLIENT.error(error, "call-1"))["error"]
    assert (told["code"], told["message"]) == (code, error.client_message)
    assert told["details"][0]["callId"] == "call-1" and told["details"][0].get("field") == error.param
    event = json.loads(data(CLIENT.error_event(error, "call-1")))
    assert (event["event_type"], event["error"]) == ("error", told)


def test_the_providers_own_words_end_a_stream() -> None:
    """Where they are in this format."""
    theirs = b'{"error":{"code":"gateway_timeout","message":"late"}}'
    event = json.loads(data(CLIENT.error_event(ProviderError("error_in_answer", "late", body=theirs), "c")))
    assert event["error"] == {"code": "gateway_timeout", "message": "late"}
    other = ProviderError("error_in_answer", "late", body=b'{"error":{"code":500}}')
    assert json.loads(data(CLIENT.error_event(other, "c")))["error"]["code"] == "service_unavailable"
