"""What a client of the Interactions API asks, in no format: steps, content, settings, and what is refused by name."""

import json
from typing import Any

import pytest

from gateway.errors import CallerError, NotFound
from gateway.formats.gemini_interactions.client import CLIENT
from gateway.formats.gemini_interactions.client_request import is_question, read_opening, read_prompt
from gateway.formats.prompt import Media, Message, OutputShape, Reasoning, Text, ToolCall, ToolChoice, ToolResult
from tests.gateway.formats.gemini_interactions.recordings import recorded_json

Body = dict[str, Any]
NAME = CLIENT.name


def test_the_recorded_request() -> None:
    """Steps become turns; the thought's signature stays with this format; Google's own tool is an extra."""
    prompt = read_prompt(recorded_json("request.json"))
    system, user, model, result = prompt.messages
    assert (system, user) == (
        Message("system", (Text("You are a helpful assistant."),)),
        Message("user", (Text("What is the weather in Paris right now?"),)),
    )
    assert model.parts == (
        Reasoning("", "EpoGCpcGAXLI2nx/", signed_by=NAME),
        ToolCall("un6k8t18", "get_weather", '{"location":"Paris, France"}'),
    )
    assert result.parts == (ToolResult("un6k8t18", (Text('{"weather": "Sunny and 22°C"}'),), "get_weather"),)
    assert (prompt.max_tokens, prompt.effort, prompt.wants_thoughts, prompt.stream) == (1024, "low", True, True)
    assert [tool.name for tool in prompt.tools] == ["get_weather"]
    assert prompt.hints == {"store": True}
    assert prompt.extras.keys() == {"tools.google_search", "previous_interaction_id"}


@pytest.mark.parametrize(
    "given",
    ["hi", {"type": "text", "text": "hi"}, [{"type": "text", "text": "hi"}], [{"type": "user_input", "content": "hi"}],
     [{"type": "user_input", "content": {"type": "text", "text": "hi"}}]],
)  # fmt: skip
def test_every_spelling_of_one_input(given: object) -> None:
    """Text, a block, a list of blocks, a list of steps."""
    assert read_prompt({"model": "a", "input": given}).messages == (Message("user", (Text("hi"),)),)
    assert read_opening({"input": given}) == "hi"


@pytest.mark.parametrize(
    ("block", "media"),
    [
        ({"type": "image", "data": "aGk-_w==", "mime_type": "image/png"}, Media("image", "image/png", "aGk+/w==")),
        ({"type": "image", "uri": "https://x.org/a.png", "resolution": "low"},
         Media("image", url="https://x.org/a.png", detail="low")),
        ({"type": "document", "uri": "gs://b/a.pdf"}, Media("file", file_id="gs://b/a.pdf")),
        ({"type": "video", "uri": "https://generativelanguage.googleapis.com/v1beta/files/x"},
         Media("video", file_id="https://generativelanguage.googleapis.com/v1beta/files/x")),
        ({"type": "audio", "data": "eA==", "mime_type": "audio/wav"}, Media("audio", "audio/wav", "eA==")),
    ],
)  # fmt: skip
def test_media(block: Body, media: Media) -> None:
    """By their data or by where they lie; what only Google can open is marked as a file of its own."""
    assert read_prompt({"input": [block]}).messages[0].parts == (media,)


@pytest.mark.parametrize(
    ("result", "parts"),
    [
        ("x", (Text("x"),)), ({"content": [{"type": "text", "text": "x"}]}, (Text("x"),)),
        ({"a": 1}, (Text('{"a":1}'),)),
        ([{"type": "text", "text": "x"}, {"type": "image", "data": "eA==", "mime_type": "image/png"}],
         (Text("x"), Media("image", "image/png", "eA=="))),
        ([1, 2], (Text("[1,2]"),)), (None, (Text(""),)), ("", ()),
    ],
)  # fmt: skip
def test_results_of_functions(result: object, parts: tuple[object, ...]) -> None:
    """Text, blocks, an object that holds blocks, and any other value, which is the answer itself."""
    step = {"type": "function_result", "call_id": "c", "name": "f", "result": result, "is_error": True}
    assert read_prompt({"input": [step]}).messages[0].parts == (ToolResult("c", parts, "f", is_error=True),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choice", "read", "names"),
    [
        ("auto", ToolChoice("auto"), ["f", "g"]), ("any", ToolChoice("required"), ["f", "g"]),
        ("none", ToolChoice("none"), ["f", "g"]), ("validated", ToolChoice("auto"), ["f", "g"]),
        ({"allowed_tools": {"mode": "any", "tools": ["f"]}}, ToolChoice("one", "f"), ["f", "g"]),
        ({"allowed_tools": {"mode": "auto", "tools": ["g"]}}, ToolChoice("auto"), ["g"]), ({}, None, ["f", "g"]),
    ],
)  # fmt: skip
def test_choices(choice: object, read: ToolChoice | None, names: list[str]) -> None:
    """Several allowed functions are those that are offered; `validated` makes every function strict."""
    tools = [{"type": "function", "name": name} for name in ("f", "g")]
    prompt = read_prompt({"input": "x", "tools": tools, "generation_config": {"tool_choice": choice}})
    assert (prompt.tool_choice, [tool.name for tool in prompt.tools]) == (read, names)
    assert {tool.strict for tool in prompt.tools} == {True if choice == "validated" else None}


@pytest.mark.parametrize(
    ("members", "output"),
    [
        ({"response_format": {"type": "text", "mime_type": "application/json"}}, OutputShape()),
        ({"response_format": [{"type": "text", "schema": {"type": "object"}}]}, OutputShape({"type": "object"})),
        ({"response_format": {"type": "object", "properties": {}}}, OutputShape({"type": "object", "properties": {}})),
        ({"response_mime_type": "application/json"}, OutputShape()), ({"response_format": {"type": "text"}}, None),
    ],
)  # fmt: skip
def test_shapes_of_answers(members: Body, output: OutputShape | None) -> None:
    """A format, a list of formats, a bare schema, or the older media type."""
    assert read_prompt({"input": "x", **members}).output == output


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"), ({"input": [{"role": "user", "content": "x"}]}, "input[0].type"), ({"input": [7]}, "input[0]"),
        ({"input": [{"type": "function_call", "id": "a", "name": "f", "arguments": "{}"}]}, "input[0].arguments"),
        ({"input": [{"type": "function_result"}]}, "input[0].call_id"), ({"input": 7}, "input[0]"),
        ({"input": "x", "generation_config": {"tool_choice": "some"}}, "generation_config.tool_choice"),
        ({"input": "x", "generation_config": {"seed": "1"}}, "generation_config.seed"),
        ({"input": "x", "tools": [{"name": "f"}]}, "tools[0].type"), ({"input": "x", "stream": 1}, "stream"),
        ({"input": {"type": "image"}}, "input[0].uri"), ({"input": "x", "response_format": 7}, "response_format"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body: Body, param: str) -> None:
    """The error names the member, also for turns with roles, which the API took before its revision."""
    with pytest.raises(CallerError) as caught:
        read_prompt(body)
    assert caught.value.param == param


def test_an_interaction_of_ours() -> None:
    """It was stored nowhere, and the message says what to send."""
    with pytest.raises(NotFound, match="send the whole conversation") as caught:
        read_prompt({"input": "x", "previous_interaction_id": "int_serinus_1"})
    assert caught.value.param == "previous_interaction_id"


@pytest.mark.parametrize(("given", "named"), [({"model": "a"}, "a"), ({"agent": "a"}, "a"), ({}, None)])
def test_the_agent_is_a_model_or_an_agent(given: Body, named: str | None) -> None:
    """Either member names it; both are refused."""
    assert CLIENT.door.asked({}, given) == (named, None)
    with pytest.raises(CallerError):
        CLIENT.door.asked({}, {"model": "a", "agent": "b"})


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        (b'{"steps":[{"type":"function_call","id":"v1_call"}],"id":"v1_a"}', "v1_a"),
        (b'{"id":"v1_a","steps":[{"type":"model_output","content":[{"type":"text","text":"\\"id\\":\\"v1_b', "v1_a"),
        (b'{"steps":[{"content":[{"text":"say \\"id\\":\\"v1_b\\" and', ""), (b'{"error":{"code":"x"}}', ""),
        (b'event: interaction.created\ndata: {"interaction":{"id":"v1_a"}}\n\nevent: step', "v1_a"),
        (b'event: interaction.created\ndata: {"interaction":{"id":"v1_a', ""), (b"", ""), (b": hi\n\n", ""),
        (b"[]", ""),
        (b'{"id":7}', ""), (b'{"id":"' + b"x" * 3000 + b'"}', ""),
    ],
)  # fmt: skip
def test_the_id_of_an_answer(heard: bytes, found: str) -> None:
    """Of its beginning, whole or streamed; not what a text or a call in it says."""
    assert CLIENT.facts.answer_id(heard) == found


def test_what_a_persons_reply_stands_before() -> None:
    """The user's step is a question, and the result of a function is none."""
    assert is_question({"type": "user_input"}) and not is_question({"type": "function_result"})
    assert (
        read_opening(json.loads('{"input": [{"type": "function_result"}, {"type": "user_input", "content": []}]}'))
        == "[]"
    )
    assert read_opening({"input": [7, None]}) == ""
