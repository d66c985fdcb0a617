"""What goes to a provider of the Interactions API, and what its answers and streams say."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.calls import Usage
from gateway.errors import Denied, KeyRefused, ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.gemini_interactions.provider import PROVIDER
from gateway.formats.gemini_interactions.provider_answer import read_answer
from gateway.formats.gemini_interactions.provider_request import write
from gateway.formats.prompt import (
    Media,
    Message,
    OutputShape,
    Prompt,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Untranslatable,
)
from tests.gateway.formats.contract import followed
from tests.gateway.formats.gemini_interactions.recordings import event, recorded

NAME = PROVIDER.name
HI = Prompt((Message("user", (Text("hi"),)),))
TOOL = ToolSpec("f", "It does.", {"type": "object"})


def test_a_conversation() -> None:
    """System messages, media, calls with their results, and signed thoughts; others' thoughts stay behind."""
    body = write(
        Prompt(
            (
                Message("system", (Text("Be brief."),)),
                Message("user", (Text("Look."), Media("image", "image/png", "eA==", detail="low")), "ann"),
                Message(
                    "assistant",
                    (Reasoning("so", "sig", signed_by=NAME), Reasoning("no", "x", signed_by="anthropic"),
                     Text("I call."), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "f", "broken")),
                ),
                Message("user", (ToolResult("c1", (Text("1"), Text("2")), "f"), ToolResult("c2", (), is_error=True))),
                Message("system", (Text("Now in Latin."),)),
            ),
            (TOOL,),
        ),
        "gemini-3.8-flash",
    )  # fmt: skip
    assert body["system_instruction"] == "Be brief." and body["store"] is False and body["model"] == "gemini-3.8-flash"
    image = {"type": "image", "data": "eA==", "mime_type": "image/png", "resolution": "low"}
    assert body["input"] == [
        {"type": "user_input", "content": [{"type": "text", "text": "ann: Look."}, image]},
        {"type": "thought", "signature": "sig", "summary": [{"type": "text", "text": "so"}]},
        {"type": "model_output", "content": [{"type": "text", "text": "I call."}]},
        {"type": "function_call", "id": "c1", "name": "f", "arguments": {"a": 1}},
        {"type": "function_call", "id": "c2", "name": "f", "arguments": {"arguments": "broken"}},
        {"type": "function_result", "call_id": "c1", "name": "f", "result": "1\n2"},
        {"type": "function_result", "call_id": "c2", "result": "", "is_error": True},
        {"type": "user_input", "content": [{"type": "text", "text": "<system>\nNow in Latin.\n</system>"}]},
    ]
    assert body["tools"] == [
        {"type": "function", "name": "f", "description": "It does.", "parameters": {"type": "object"}}
    ]


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"max_tokens": 9, "temperature": 0.5, "top_p": 1.0, "seed": 7, "stop": ("a",)},
         {"max_output_tokens": 9, "temperature": 0.5, "top_p": 1.0, "seed": 7, "stop_sequences": ["a"]}),
        ({"effort": "none"}, {"thinking_level": "low"}), ({"effort": "xhigh"}, {"thinking_level": "high"}),
        ({"thinking_budget": 100}, {"thinking_level": "low"}),
        ({"thinking_budget": 5000}, {"thinking_level": "medium"}),
        ({"thinking_budget": 50_000}, {"thinking_level": "high"}),
        ({"wants_thoughts": True}, {"thinking_summaries": "auto"}),
        ({"wants_thoughts": False}, {"thinking_summaries": "none"}),
        ({"tools": (TOOL,), "tool_choice": ToolChoice("one", "f")},
         {"tool_choice": {"allowed_tools": {"mode": "any", "tools": ["f"]}}}),
        ({"tools": (TOOL,), "tool_choice": ToolChoice("required")}, {"tool_choice": "any"}),
        ({"tools": (TOOL,), "tool_choice": ToolChoice("none")}, {"tool_choice": "none"}),
        ({"tools": (TOOL,), "tool_choice": ToolChoice("auto")}, {"tool_choice": "auto"}),
        ({"tools": (replace(TOOL, strict=True),)}, {"tool_choice": "validated"}),
        ({"presence_penalty": 0.0, "top_k": None}, None),
    ],
)  # fmt: skip
def test_settings(fields: dict[str, Any], config: object) -> None:
    """They stand in `generation_config`; what says nothing is left out."""
    assert write(replace(HI, **fields), "m").get("generation_config") == config


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"top_k": 5}, "top_k"), ({"presence_penalty": 1.0}, "presence_penalty"), ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 1.0}, "frequency_penalty"), ({"stop": ("a",) * 6}, "stop"), ({"seed": 2**40}, "seed"),
        ({"tool_choice": ToolChoice("required")}, "tool_choice"), ({"extras": {"n": 2}}, "n"),
        ({"tools": (TOOL,), "parallel_tools": False}, "parallel_tool_calls"),
        ({"messages": ()}, "messages"),
        ({"messages": (Message("user", (Media("image", file_id="file-1"),)),)}, "messages"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_named(fields: dict[str, Any], param: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Untranslatable) as caught:
        write(replace(HI, **fields), "m")
    assert caught.value.param == param


def test_the_shape_of_an_answer() -> None:
    """JSON by a schema that says what it is for."""
    body = write(replace(HI, output=OutputShape({"type": "object"}, description="A city.")), "m")
    schema = {"description": "A city.", "type": "object"}
    assert body["response_format"] == {"type": "text", "mime_type": "application/json", "schema": schema}
    alone = write(Prompt((Message("system", (Text("Say hi."),)),)), "m")
    assert alone["input"][0]["content"][0]["text"] == "Say hi." and "system_instruction" not in alone


def test_the_recorded_answer() -> None:
    """Thought and text, with usage whose thoughts are output."""
    reply = read_answer(recorded("answer.json"))
    assert reply.parts == (
        Reasoning("**Evaluating the clues**", "EpoGCpcGAXLI2nx/", signed_by=NAME),
        Text("Based on the clues provided, here is the answer."),
    )
    assert (reply.stop, reply.usage) == ("stop", Usage(62, 0, 468, 297))
    assert reply.id.startswith("v1_") and reply.model == "gemini-3.8-flash"


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"total_input_tokens": 5, "total_tool_use_tokens": 2, "total_cached_tokens": 9, "total_output_tokens": 1},
         Usage(7, 7, 1, 0)),
        ({"total_input_tokens": 5, "total_output_tokens": 1, "total_thought_tokens": 3, "total_tokens": 12},
         Usage(5, 0, 7, 3)),
        ({"total_tokens": 197}, Usage(0, 0, 197, 0)), ({"total_input_tokens": "many"}, Usage()), (None, None),
    ],
)  # fmt: skip
def test_usage(usage: object, read: Usage | None) -> None:
    """Tool use is input, and what the total has more is output; nonsense counts as nothing."""
    assert read_answer(json.dumps({"status": "completed", "usage": usage}).encode()).usage == read


@pytest.mark.parametrize(
    ("status", "stop"),
    [("completed", "stop"), ("requires_action", "stop"), ("incomplete", "length"), ("budget_exceeded", "length"),
     ("requires_continuation", "length"), ("in_progress", "pause"), ("queued", "pause"), ("new_one", "stop")],
)  # fmt: skip
def test_ends(status: str, stop: str) -> None:
    """Action that no call asks for is a plain end; what runs in the background is not over."""
    assert read_answer(json.dumps({"status": status, "steps": []}).encode()).stop == stop


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        ({"status": "failed", "errors": [{"code": "rate_limit_exceeded", "message": "slow"}]}, 429, "slow"),
        ({"status": "cancelled"}, 500, "cancelled"), ({"status": "failed", "errors": []}, 500, "failed"),
        ({"status": "completed", "steps": [], "errors": [{"code": "no_image", "message": "none"}]}, 502, "none"),
        ({"error": {"code": "deadline_exceeded", "message": "late"}}, 504, "late"),
    ],
)  # fmt: skip
def test_failures_in_a_200(answer: object, status: int, told: str) -> None:
    """The next target is asked; a client of this format gets the API's own error."""
    with pytest.raises(ProviderError, match=told) as caught:
        read_answer(json.dumps(answer).encode())
    assert (caught.value.kind, caught.value.status) == ("error_in_answer", status)
    assert caught.value.body is not None and json.loads(caught.value.body)["error"]["message"].endswith(told)


def test_a_refused_key_in_a_200() -> None:
    """The gateway's key is nobody's business."""
    with pytest.raises(KeyRefused) as caught:
        read_answer(b'{"error":{"code":"authentication","message":"bad key sk-own"}}')
    assert caught.value.body is None


def test_the_recorded_stream_with_a_call() -> None:
    """The search that Google made itself is passed over; the call's arguments come in pieces."""
    events = followed(PROVIDER, recorded("tools.sse"))
    assert events == [
        Begin("v1_ChdPU0F4YWFtNkFwS2kx", "gemini-3.7-flash"),
        ReasoningDelta("**Looking it up**"), ReasoningDelta("", "EpoG", signed_by=NAME),
        ToolBegin(0, "ktr5aysg", "get_weather"), ToolDelta(0, '{"location":"Mount '), ToolDelta(0, 'Elbrus, Russia"}'),
        End("tool_calls", Usage(138, 100, 161, 141)),
    ]  # fmt: skip


def test_a_stream_that_begins_its_steps_with_content() -> None:
    """As the guide on thinking shows it; the end needs no mark."""
    events = followed(PROVIDER, recorded("incomplete.sse"))
    assert [each.text for each in events if isinstance(each, TextDelta)] == [
        "Based on the clues provided, here",
        " is the",
    ]
    assert events[-1] == End("length", Usage(11, 0, 335, 245))


SAID = {"type": "model_output", "content": [{"type": "text", "text": "hi"}]}


def taken(*datas: bytes) -> list[Event]:
    parser = PROVIDER.parser()
    return [each for data in datas for each in parser.take("", data)] + [*parser.end()]


def test_arguments_that_come_whole() -> None:
    """With the step's beginning, as an object in a delta, or with the interaction that ends the stream."""
    call = {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}}
    end = event("interaction.completed", interaction={"status": "requires_action"})
    begun = [ToolBegin(0, "c", "f"), ToolDelta(0, '{"a":1}'), End("tool_calls")]
    assert taken(event("step.start", index=0, step=call), event("step.stop", index=0), end) == begun
    assert taken(event("step.start", index=0, step=call), end) == begun
    delta = event("step.delta", index=0, delta={"type": "arguments_delta", "arguments": {"a": 1}})
    assert taken(event("step.start", index=0, step={**call, "arguments": {}}), delta, end) == begun
    assert taken(event("interaction.completed", interaction={"status": "requires_action", "steps": [call]})) == begun


@pytest.mark.parametrize(
    "data",
    [
        event("step.start", index=0), event("step.delta", index=0, delta={"type": "arguments_delta", "arguments": "{"}),
        event("step.start", index=0, step={"type": "function_call", "id": "c"}), b"[]", b"{", b"7",
        event("interaction.completed"), event("error"), event("error", error={"code": "api_error", "message": "no"}),
        event("interaction.completed", interaction={"status": "failed"}),
    ],
)  # fmt: skip
def test_events_that_are_none(data: bytes) -> None:
    """A malformed event, an error, and a failure break the stream."""
    with pytest.raises(ProviderError):
        taken(data)


def test_thoughts_come_once() -> None:
    """An answer without text is read from the interaction that ends the stream; what has streamed is left out of it."""
    thought = {"type": "thought", "summary": [{"type": "text", "text": "so"}], "signature": "sig"}
    end = event("interaction.completed", interaction={"status": "completed", "steps": [thought, SAID]})
    text = event("step.delta", index=0, delta={"type": "thought_summary", "content": {"type": "text", "text": "so"}})
    seal = event("step.delta", index=0, delta={"type": "thought_signature", "signature": "sig"})
    rest: list[Event] = [TextDelta("hi"), End("stop")]
    assert taken(text, seal, end) == [ReasoningDelta("so"), ReasoningDelta("", "sig", signed_by=NAME), *rest]
    assert taken(text, end) == [ReasoningDelta("so"), ReasoningDelta("", "sig", signed_by=NAME), *rest]
    assert taken(end) == [ReasoningDelta("so", "sig", signed_by=NAME), *rest]


def test_a_blocked_stream_ends() -> None:
    """No failure: the end says that it was blocked, and nothing follows it."""
    blocked = event("error", error={"code": "prohibited_content", "message": "no"})
    assert taken(blocked, b"[DONE]", blocked, b"[DONE]") == [End("content_filter")]


@pytest.mark.parametrize("cut", [5, -3, -2, -1])
def test_a_stream_without_its_end(cut: int) -> None:
    """What breaks off before `interaction.completed` has no end; behind it, it has one."""
    blocks = recorded("text.sse").split(b"\n\n")[:-1]
    events = followed(PROVIDER, b"\n\n".join(blocks[:cut]) + b"\n\n")
    assert isinstance(events[-1], End) is (cut == -1)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("The value 'x' is not supported for 'type' at 'tools[0]'.", "tools[0]"),
        ("Bad value at 'generation_config.max_output_tokens'.", "max_tokens"),
        ("Invalid previous_interaction_id.", "previous_interaction_id"),
        ("Request contains an invalid argument.", None),
    ],
)  # fmt: skip
def test_what_an_error_speaks_of(message: str, param: str | None) -> None:
    """The member, under the name that a version gives it: it tells whose mistake it is."""
    error = PROVIDER.error(400, (), json.dumps({"error": {"code": "invalid_request", "message": message}}).encode())
    assert (error.status, error.param, error.kind) == (400, param, "status")
    assert error.body is not None


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(status: int) -> None:
    """Also where Google's front end answers as it does for its other API."""
    error = PROVIDER.error(status, (), recorded("error.json"))
    assert isinstance(error, KeyRefused if status == 401 else Denied) and error.body is None
    front = {"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}
    assert isinstance(PROVIDER.error(400, (), json.dumps(front).encode()), KeyRefused)
