"""A prompt as a request to Converse."""

import json
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given

from gateway.formats.bedrock.provider import PROVIDER
from gateway.formats.prompt import (
    Media,
    Message,
    OutputShape,
    Part,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Untranslatable,
)
from gateway.formats.settings import Settings
from gateway.json_body import Document
from tests.gateway.formats.prompts import prompts

HI = Message("user", (Text("hi"),))
CLAUDE, OLD, NOVA = (
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-3-5-sonnet-v1:0",
    "amazon.nova-pro-v1:0",
)
NOVA2, OSS, LLAMA = "amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0", "meta.llama3-70b-instruct-v1:0"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
TOOLS = (ToolSpec("f", "F.", SCHEMA, cache=True), ToolSpec("g"))
SPECS = [
    {"toolSpec": {"name": "f", "description": "F.", "inputSchema": {"json": SCHEMA}}},
    {"cachePoint": {"type": "default"}},
    {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object"}}}},
]
PNG, PDF = Media("image", "image/png", "AA=="), Media("file", "application/pdf", "JVBE", name="my_file.pdf")
IMAGE = {"image": {"format": "png", "source": {"bytes": "AA=="}}}


def sent(prompt: Prompt, model: str = CLAUDE) -> dict[str, Any]:
    """The body as the provider reads it."""
    body: dict[str, Any] = json.loads(json.dumps(PROVIDER.write(prompt, model).body))
    return body


def members(model: str = CLAUDE, **fields: Any) -> dict[str, Any]:
    """What these fields of a prompt add to a body."""
    return {name: value for name, value in sent(Prompt((HI,), **fields), model).items() if name != "messages"}


def turns(*messages: Message, model: str = CLAUDE) -> list[Any]:
    written: list[Any] = sent(Prompt(messages), model)["messages"]
    return written


def user(*parts: Part, name: str = "") -> Message:
    return Message("user", parts, name)


@pytest.mark.parametrize(("stream", "end"), [(False, "converse"), (True, "converse-stream")])
def test_path(stream: bool, end: str) -> None:
    """The model is part of it, quoted; an ARN is one too."""
    arn = "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.amazon.nova-pro-v1:0"
    assert PROVIDER.write(Prompt((HI,), stream=stream), arn).path == (
        f"/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A1%3Ainference-profile%2Feu.amazon.nova-pro-v1%3A0/{end}"
    )
    assert PROVIDER.path(NOVA, stream) == f"/model/amazon.nova-pro-v1%3A0/{end}"


def test_nothing_that_was_not_asked_for() -> None:
    """A bare prompt is a bare request."""
    assert sent(Prompt((HI,))) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def test_conversation() -> None:
    """System apart, turns that alternate, results first, blank text nowhere; thoughts only of Bedrock's."""
    messages = (
        Message("system", (Text("Be kind.", cache=True),)),
        user(Text("a"), Text(" "), PNG, name="ada"),
        Message("assistant", (Reasoning("Hm.", "S", signed_by="bedrock"), Reasoning("x", "S", signed_by="anthropic"),
                              Reasoning(encrypted="E", signed_by="bedrock"), Refusal("No."), ToolCall("t 1", "f", ""))),
        user(Text("well"), ToolResult("t 1", (Text("A"), PNG), is_error=True, cache=True), ToolResult("t2", ())),
        Message("system", (Text("Be brief."),)),
        Message("assistant", (Text("ok \n"),)),
    )  # fmt: skip
    body, cached = sent(Prompt(messages, TOOLS)), {"cachePoint": {"type": "default"}}
    id = body["messages"][1]["content"][-1]["toolUse"]["toolUseId"]
    assert body["system"] == [{"text": "Be kind."}, cached]
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "ada: a"}, IMAGE]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "S"}}},
            {"reasoningContent": {"redactedContent": "E"}},
            {"text": "No."},
            {"toolUse": {"toolUseId": id, "name": "f", "input": {}}}]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": id, "content": [{"text": "A"}, IMAGE], "status": "error"}}, cached,
            {"toolResult": {"toolUseId": "t2", "content": [{"text": "(empty)"}]}},
            {"text": "well"}, {"text": "<system>\nBe brief.\n</system>"}]},
        {"role": "assistant", "content": [{"text": "ok"}]},
    ]  # fmt: skip
    assert len(id) <= 64 and id.replace("_", "").isalnum()


def test_conversations_that_begin_or_end_oddly() -> None:
    """The user begins; a lone system message is what is asked."""
    opening = {"role": "user", "content": [{"text": "(The conversation begins with your message.)"}]}
    assert turns(Message("assistant", (Text("a"),)), HI)[0] == opening
    assert sent(Prompt((Message("system", (Text("a"),)),))) == {
        "messages": [{"role": "user", "content": [{"text": "a"}]}]
    }


def test_documents() -> None:
    """Names of letters that are taken, each only once, and never without text."""
    nameless = Media("file", "text/csv", "YQ==")
    assert turns(user(PDF, PDF, nameless), Message("assistant", (Text("ok"),)), user(Text("a"), PDF)) == [
        {"role": "user", "content": [
            {"document": {"format": "pdf", "name": "my file", "source": {"bytes": "JVBE"}}},
            {"document": {"format": "pdf", "name": "my file (2)", "source": {"bytes": "JVBE"}}},
            {"document": {"format": "csv", "name": "document", "source": {"bytes": "YQ=="}}},
            {"text": "(See the document.)"}]},
        {"role": "assistant", "content": [{"text": "ok"}]},
        {"role": "user", "content": [
            {"text": "a"}, {"document": {"format": "pdf", "name": "my file (3)", "source": {"bytes": "JVBE"}}}]},
    ]  # fmt: skip


def test_other_media() -> None:
    """Recordings, films, and what lies in S3."""
    given = (
        Media("audio", "audio/wav", "AA=="),
        Media("video", url="s3://b/a.mp4"),
        Media("image", url="s3://b/a.png"),
    )
    assert turns(user(*given))[0]["content"] == [
        {"audio": {"format": "wav", "source": {"bytes": "AA=="}}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/a.mp4"}}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.png"}}}},
    ]


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        (CLAUDE, {"max_tokens": 9, "temperature": 0.5, "stop": ("END",)},
         {"inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["END"]},
          "additionalModelResponseFieldPaths": ["/stop_sequence"]}),
        (NOVA, {"top_p": 0.5, "stop": ("END",)}, {"inferenceConfig": {"topP": 0.5, "stopSequences": ["END"]}}),
        (CLAUDE, {"top_k": 4}, {"additionalModelRequestFields": {"top_k": 4}}),
        (NOVA, {"top_k": 4}, {"additionalModelRequestFields": {"inferenceConfig": {"topK": 4}}}),
        (CLAUDE, {"thinking_budget": 2000, "max_tokens": 4000},
         {"inferenceConfig": {"maxTokens": 4000},
          "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}}}),
        ("anthropic.claude-opus-4-7-v1:0", {"effort": "low"},
         {"outputConfig": {"effort": "low"}, "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}),
        (NOVA2, {"effort": "xhigh"},
         {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}}),
        (OSS, {"thinking_budget": 2048}, {"additionalModelRequestFields": {"reasoning_effort": "low"}}),
        (OSS, {"thinking_budget": -1}, {"additionalModelRequestFields": {"reasoning_effort": "high"}}),
        (LLAMA, {"effort": "none", "presence_penalty": 0, "logprobs": False}, {}),
        (LLAMA, {"hints": {"service_tier": "flex", "user": "u"}}, {"serviceTier": {"type": "flex"}}),
        (LLAMA, {"hints": {"service_tier": ["flex"]}}, {}),
    ],
)  # fmt: skip
def test_parameters(model: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What all models share, and what only some have, each in its place."""
    assert members(model, **fields) == expected


@pytest.mark.parametrize(
    ("model", "choice", "parallel", "config", "additional"),
    [
        (CLAUDE, None, None, {}, None),
        (CLAUDE, ToolChoice("auto"), True, {}, None),
        (CLAUDE, ToolChoice("required"), None, {"toolChoice": {"any": {}}}, None),
        (NOVA, ToolChoice("one", "g"), None, {"toolChoice": {"tool": {"name": "g"}}}, None),
        (CLAUDE, None, False, {}, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
        (CLAUDE, ToolChoice("one", "g"), False, {},
         {"tool_choice": {"type": "tool", "name": "g", "disable_parallel_tool_use": True}}),
    ],
)  # fmt: skip
def test_tools(model: str, choice: Any, parallel: Any, config: Any, additional: Any) -> None:
    """Functions, and which of them; that only one is to be called at a time is said in Claude's own words."""
    body = members(model, tools=TOOLS, tool_choice=choice, parallel_tools=parallel)
    assert body["toolConfig"] == {"tools": SPECS, **config}
    assert body.get("additionalModelRequestFields") == additional


def test_no_call_wanted() -> None:
    """Functions are left out; where the conversation has calls they must stay, and the system prompt forbids them."""
    called = (HI, Message("assistant", (ToolCall("t", "h", "{}"),)), user(ToolResult("t", (Text("A"),))))
    assert members(tools=TOOLS, tool_choice=ToolChoice("none")) == {}
    forbidden = [{"text": "Do not call any function in this turn."}]
    body = sent(Prompt(called, TOOLS, ToolChoice("none")))
    assert (body["system"], body["toolConfig"]) == (forbidden, {"tools": SPECS})
    unnamed = {"tools": [{"toolSpec": {"name": "h", "inputSchema": {"json": {"type": "object"}}}}]}
    assert sent(Prompt(called))["toolConfig"] == unnamed


def test_structured_output() -> None:
    """By schema where the model can be held to one, else by a function that must be called."""
    output = OutputShape(SCHEMA, "answer", "It.", strict=True)
    native = members(output=output)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (json.loads(native["schema"]), native["name"], native["description"]) == (SCHEMA, "answer", "It.")
    stand_in = {"toolSpec": {"name": "respond_with_json", "description": "It.", "inputSchema": {"json": SCHEMA}}}
    for model in (OLD, LLAMA):
        chosen = {"tools": [stand_in], "toolChoice": {"tool": {"name": "respond_with_json"}}}
        assert members(model, output=output, parallel_tools=False) == {"toolConfig": chosen}


@pytest.mark.parametrize(
    ("model", "prompt", "param"),
    [
        (CLAUDE, Prompt((HI,), extras={"n": 2}), "n"),
        (CLAUDE, Prompt((HI,), seed=1), "seed"),
        (CLAUDE, Prompt((HI,), frequency_penalty=1), "frequency_penalty"),
        (CLAUDE, Prompt((HI,), logprobs=True), "logprobs"),
        (LLAMA, Prompt((HI,), top_k=4), "top_k"),
        (LLAMA, Prompt((HI,), effort="low"), "reasoning_effort"),
        (LLAMA, Prompt((HI,), TOOLS, parallel_tools=False), "parallel_tool_calls"),
        (CLAUDE, Prompt((user(Media("image", url="https://x/a.png")),)), "messages"),
        (CLAUDE, Prompt((user(Media("image", "image/png", file_id="f")),)), "messages"),
        (CLAUDE, Prompt((user(Media("image", "image/tiff", "AA==")),)), "messages"),
        (CLAUDE, Prompt((user(ToolCall("t", "f", "{}")),)), "messages"),
        (CLAUDE, Prompt((HI, Message("assistant", (PNG,)))), "messages"),
        (CLAUDE, Prompt((HI, Message("assistant", (ToolCall("t", "f", "[1]"),)))), "messages"),
        (CLAUDE, Prompt((Message("system", (PNG,)), HI)), "messages"),
        (CLAUDE, Prompt((user(Text(" ")),)), "messages"),
    ],
)
def test_refused(model: str, prompt: Prompt, param: str) -> None:
    """What cannot be said is refused by its name before anything is sent."""
    with pytest.raises(Untranslatable) as caught:
        sent(prompt, model)
    assert caught.value.param == param


def test_no_client_speaks_it() -> None:
    """There is nothing to amend."""
    with pytest.raises(Untranslatable):
        PROVIDER.amend(Document({}, {}), Settings(), NOVA)


SHAPE = (
    ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2")).operation_model("Converse").input_shape
)


@given(prompts(sampling=True, structured=True, later_system=True))
def test_what_the_official_sdk_would_send(prompt: Prompt) -> None:
    """Every request satisfies AWS's own model of the API, and no word of the conversation is lost."""
    try:
        body = sent(prompt)
    except Untranslatable as error:
        assert error.param in ("messages", "tool_choice", "top_p")
        return
    assert SHAPE is not None
    report = ParamValidator().validate({"modelId": CLAUDE, **body}, SHAPE)
    assert not report.has_errors(), report.generate_report()
    said = json.dumps(body, ensure_ascii=False)
    for message in prompt.messages:
        for part in message.parts:
            assert not isinstance(part, Text) or json.dumps(part.text.rstrip(), ensure_ascii=False)[1:-1] in said
    roles = [turn["role"] for turn in body["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
