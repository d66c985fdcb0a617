"""What goes to a provider fits its limits, whatever a client sends: ids, names, hints, schemas, media types."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import FormatName
from gateway.formats.callids import CallIds
from gateway.formats.fit import fit
from gateway.formats.limits import FormatLimits, Spelling
from gateway.formats.openai_chat import _limits as chat_limits
from gateway.formats.prompt import (
    Media,
    Message,
    OutputShape,
    Part,
    Prompt,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Untranslatable,
)
from gateway.formats.registry import CLIENTS, PROVIDERS
from gateway.formats.schemas import is_closed, whole


def limits(format: FormatName, host: str = "", model: str = "") -> FormatLimits:
    """What that model takes at that host in that format."""
    return PROVIDERS[format].at(host).limits(model)


HI = Message("user", (Text("Hi"),))
FORMATS = {name: limits(name) for name in PROVIDERS}
OPENAI = limits("openai", "api.openai.com", "gpt-4o")
RESPONSES = limits("openai-responses", model="gpt-5")
LONG_NAME = "mcp__some_server_with_a_long_name__" + "look_up_" * 5 + "x"
LONG_ID = "call_" + "0123456789" * 8 + "a"

ODD = st.text(st.characters() | st.sampled_from(".:/ _-é\ud83d\x00"), max_size=150)
TARGETS: list[tuple[FormatName, str, str]] = [
    ("openai", "api.openai.com", "gpt-4o"),
    ("openai", "x.openai.azure.com", "gpt-5"),
    ("openai", "api.mistral.ai", "mistral-large"),
    ("openai", "vllm.example", "qwen3"),
    ("openai-responses", "", "gpt-5"),
    ("anthropic", "", "claude-sonnet-4-5"),
    ("gemini", "", "gemini-3-pro"),
    ("gemini-interactions", "", "gemini-3-pro"),
    ("bedrock", "", "us.anthropic.claude-sonnet-4-5"),
]


@st.composite
def conversations(draw: st.DrawFn) -> Prompt:
    """Calls and results with any ids and names, also repeated ones, and hints and schemas of any kind."""
    names = draw(st.lists(ODD.filter(bool) | st.sampled_from((LONG_NAME, "respond_with_json")), min_size=1, max_size=4))
    ids = draw(st.lists(ODD | st.just(LONG_ID), min_size=1, max_size=3))
    messages = [HI]
    for _ in range(draw(st.integers(0, 3))):
        called = [ToolCall(draw(st.sampled_from(ids)), draw(st.sampled_from(names)), "{}") for _ in range(2)]
        messages.append(Message("assistant", tuple(called)))
        messages.append(Message("user", tuple(ToolResult(call.id, (Text("x"),), name=call.name) for call in called)))
    tools = tuple(ToolSpec(name, "d", draw(schemas()), draw(st.booleans())) for name in dict.fromkeys(names))
    choice = draw(st.none() | st.sampled_from(names).map(lambda name: ToolChoice("one", name)))
    hints = draw(st.fixed_dictionaries({}, optional={"user": ODD, "safety_identifier": ODD, "prompt_cache_key": ODD}))
    return Prompt((*messages, HI), tools, choice, hints=hints, effort="high", may_not_think=True, max_tokens=99_000)


def schemas() -> st.SearchStrategy[Any]:
    """Schemas as tools bring them, open or closed."""
    leaves = st.sampled_from(
        [{}, {"type": "object"}, {"type": "array"}, {"type": ["array", "null"]}, {"$ref": "#/$defs/P"}]
    )
    inner = st.recursive(
        leaves,
        lambda each: (
            st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(ODD, each, max_size=2)})
            | st.fixed_dictionaries({"anyOf": st.lists(each, min_size=1, max_size=2), "title": st.just("T")})
        ),
        max_leaves=4,
    )
    return inner


def spoken(body: Any, found: dict[str, list[Any]], at: str = "") -> dict[str, list[Any]]:
    """Every text of a request by the member that holds it."""
    if isinstance(body, dict):
        for name, value in body.items():
            if isinstance(value, str):
                found.setdefault(name, []).append(value)
            spoken(value, found, name)
    elif isinstance(body, list):
        for each in body:
            spoken(each, found, at)
    return found


@given(conversations(), st.sampled_from(TARGETS))
def test_what_is_sent_fits_or_is_refused_by_name(prompt: Prompt, target: tuple[FormatName, str, str]) -> None:
    """No id, name or hint of any client leaves beyond the target's limits, and every name has its way back."""
    format, host, model = target
    takes = limits(format, host, model)
    try:
        written = PROVIDERS[format].at(host).write(prompt, model)
    except Untranslatable as refused:
        assert refused.param
        return
    said = fit(prompt, takes)
    own = {tool.name for tool in prompt.tools}
    assert {said.names.get(tool.name, tool.name) for tool in said.prompt.tools} == own
    assert len({tool.name for tool in said.prompt.tools}) == len(own)
    assert all(takes.tool_name.takes(tool.name) and tool.name not in takes.reserved for tool in said.prompt.tools)
    assert written.names == said.names
    texts = spoken(written.body, {})
    for name, longest in takes.hints.items():
        assert all(len(each) <= longest for each in texts.get(name, ()))
    ids = [each for name in ("tool_call_id", "call_id", "tool_use_id", "toolUseId") for each in texts.get(name, ())]
    assert all(takes.call_id.takes(each) for each in ids)


@given(conversations(), st.sampled_from(TARGETS))
def test_results_find_their_calls(prompt: Prompt, target: tuple[FormatName, str, str]) -> None:
    """A result keeps its call's id, no two calls share one where that is refused, and a later turn changes no id."""
    takes = limits(*target)
    parts = [part for message in fit(prompt_of(prompt), takes).prompt.messages for part in message.parts]
    calls = [part.id for part in parts if isinstance(part, ToolCall)]
    assert calls == [part.call_id for part in parts if isinstance(part, ToolResult)]
    assert not takes.unique_ids or len(set(calls)) == len(calls)
    longer = replace(prompt, messages=(*prompt.messages, Message("assistant", (ToolCall("new", "f", "{}"),))))
    later = [part for message in fit(prompt_of(longer), takes).prompt.messages for part in message.parts]
    assert [part.id for part in later if isinstance(part, ToolCall)][: len(calls)] == calls


def prompt_of(prompt: Prompt) -> Prompt:
    """The conversation alone."""
    return Prompt(prompt.messages)


@given(ODD, ODD, st.sampled_from([each.call_id for each in (*FORMATS.values(), *chat_limits.HOSTS.values())]))
def test_different_texts_stay_different(one: str, other: str, spelling: Spelling) -> None:
    """What is fitted is spelled as the provider wants it, always alike, and apart from what another text becomes."""
    fitted = spelling.fit(one)
    assert spelling.takes(fitted) and spelling.fit(one) == fitted and spelling.fit(fitted) == fitted
    assert (spelling.fit(other) == fitted) is (one == other) or fitted == other or one == spelling.fit(other)


@given(schemas())
def test_schemas_become_whole(schema: dict[str, Any]) -> None:
    """Every object has its properties and every array its items; what is whole stays as it is."""
    made = whole(schema)
    assert whole(made) == made

    def check(node: Any) -> None:
        if isinstance(node, dict):
            assert node.get("type") != "object" or "properties" in node
            assert "array" not in (node.get("type") or ()) or "items" in node
            for inner in (*node.get("properties", {}).values(), *node.get("anyOf", ())):
                check(inner)

    check(made)


def test_a_user_of_191_characters_becomes_a_digest() -> None:
    """Claude Code's `metadata.user_id` reaches OpenAI as a text of at most 64 characters, always the same."""
    user = "user_" + "0123456789abcdef" * 11 + "0123456789"
    for takes in (OPENAI, RESPONSES):
        sent = fit(Prompt((HI,), hints={"user": user}), takes).prompt.hints["user"]
        assert len(sent) <= 64 and sent == fit(Prompt((HI,), hints={"user": user}), takes).prompt.hints["user"]
    assert fit(Prompt((HI,), hints={"user": user}), limits("anthropic")).prompt.hints == {"user": user}


@pytest.mark.parametrize(
    ("hints", "sent"),
    [
        ({"service_tier": "standard_only"}, {}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}),
        ({"metadata": {"a": "b" * 513}}, {}),
        ({"metadata": {str(index): "" for index in range(17)}}, {}),
        ({"user": 7, "safety_identifier": ""}, {}),
    ],
)
def test_hints_that_openai_would_refuse_are_left_out(hints: dict[str, Any], sent: dict[str, Any]) -> None:
    """A hint changes nothing about the answer, so it never costs one."""
    assert fit(Prompt((HI,), hints=hints), OPENAI).prompt.hints == sent


def test_a_used_id_gets_another_in_a_later_turn() -> None:
    """`list_dir:0` of two turns is two ids for Anthropic and Bedrock, each with its result."""
    turn = (
        Message("assistant", (ToolCall("list_dir:0", "f", "{}"),)),
        Message("user", (ToolResult("list_dir:0", ()),)),
    )
    for format in ("anthropic", "bedrock"):
        parts = [
            part for each in fit(Prompt((HI, *turn, *turn)), FORMATS[format]).prompt.messages for part in each.parts
        ]
        first, second = [part.id for part in parts if isinstance(part, ToolCall)]
        assert first != second and [part.call_id for part in parts if isinstance(part, ToolResult)] == [first, second]


def test_a_call_that_was_never_answered_keeps_no_result() -> None:
    """The result of the latest turn's call is not taken for that of an open call of an earlier turn."""
    ids = CallIds(FORMATS["anthropic"])
    ids.next_turn()
    ids.call("a:0")
    ids.next_turn()
    latest = [ids.call("a:0"), ids.call("a:0")]
    assert [ids.result("a:0"), ids.result("a:0"), ids.result("a:0")] == [*latest, latest[-1]]


def test_many_calls_of_one_id_cost_no_more_than_others() -> None:
    """Looking for a free id is one step for each call, however often the id was used."""
    spelling = CountingSpelling(characters=FORMATS["anthropic"].call_id.characters)
    ids = CallIds(FormatLimits(call_id=spelling, unique_ids=True))
    for _ in range(500):
        ids.call("a:0")
    assert spelling.fitted == [500]


class CountingSpelling(Spelling):
    """Counts how often it fits."""

    fitted: ClassVar = [0]

    def fit(self, text: str, repetition: int = 0) -> str:
        self.fitted[0] += 1
        return Spelling.fit(self, text, repetition)


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        (
            {"type": "object", "properties": {"a": {"type": "array"}, "b": {"type": "object"}}},
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {}}, "b": {"type": "object", "properties": {}}},
            },
        ),
        (
            {"$ref": "#/$defs/P", "$defs": {"P": {"type": "object", "description": "A."}}, "title": "T"},
            {
                "type": "object",
                "description": "A.",
                "$defs": {"P": {"type": "object", "description": "A.", "properties": {}}},
                "title": "T",
                "properties": {},
            },
        ),
    ],
)
def test_openai_gets_whole_schemas(schema: dict[str, Any], sent: dict[str, Any]) -> None:
    """OpenAI refuses objects without properties and arrays without items: they are added, at any depth."""
    for takes in (OPENAI, RESPONSES):
        [tool] = fit(Prompt((HI,), (ToolSpec("f", schema=schema),)), takes).prompt.tools
        assert tool.schema == sent


def test_a_choice_between_objects_is_refused_by_name() -> None:
    """What OpenAI takes for no function's schema is refused before it is sent, so that the chain goes on."""
    with pytest.raises(Untranslatable) as refused:
        fit(Prompt((HI,), (ToolSpec("f", schema={"anyOf": [{"type": "object"}]}),)), OPENAI)
    assert refused.value.param == "tools"
    with pytest.raises(Untranslatable) as refused:
        fit(Prompt((HI,), output=OutputShape({"type": "array"})), OPENAI)
    assert refused.value.param == "response_format"


def test_gemini_gets_references_alone() -> None:
    """Only `description` and `default` stand beside a `$ref`, at any depth of a function's or an answer's schema."""
    inner = {"$ref": "#/$defs/P", "title": "W", "description": "d", "default": None}
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": inner}}, "$schema": "x"}
    fitted = fit(Prompt((HI,), (ToolSpec("f", schema=schema),), output=OutputShape(schema)), limits("gemini")).prompt
    lone = {"type": "object", "properties": {"a": {"type": "array", "items": {**inner}}}}
    del lone["properties"]["a"]["items"]["title"]  # type: ignore[index]
    assert fitted.tools[0].schema == lone and fitted.output is not None and fitted.output.schema == lone


def test_strict_is_kept_for_closed_schemas_alone() -> None:
    """OpenAI refuses a strict schema that is open, which other providers take."""
    closed = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    optional = {**closed, "required": []}
    tools = (
        ToolSpec("f", schema=closed, strict=True),
        ToolSpec("g", schema=optional, strict=True),
        ToolSpec("h", strict=True),
    )
    fitted = fit(Prompt((HI,), tools, output=OutputShape(optional, strict=True)), OPENAI).prompt
    assert [tool.strict for tool in fitted.tools] == [True, False, False]
    assert fitted.output is not None and fitted.output.strict is False and is_closed(closed)


@pytest.mark.parametrize("format", list(FORMATS))
def test_media_types_have_one_name(format: FormatName) -> None:
    """`image/jpg` is `image/jpeg` for every provider, also inside a function's result."""
    parts: tuple[Part, ...] = (
        Media("image", "IMAGE/JPG", "aaaa"),
        ToolResult("1", (Media("image", "image/jpg", "aaaa"),)),
    )
    image, result = fit(Prompt((Message("user", parts),)), FORMATS[format]).prompt.messages[0].parts
    assert isinstance(image, Media) and isinstance(result, ToolResult) and isinstance(result.parts[0], Media)
    assert (image.mime, result.parts[0].mime) == ("image/jpeg", "image/jpeg")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": tuple(ToolSpec(f"f{index}") for index in range(129))}, "tools"),
        ({"stop": tuple("abcde")}, "stop"),
        ({"messages": (Message("user", (Media("image", "image/tiff", "aaaa"),)),)}, "messages"),
    ],
)
def test_what_openai_cannot_take_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """What no spelling can fit never reaches the provider."""
    with pytest.raises(Untranslatable) as refused:
        fit(replace(Prompt((HI,)), **fields), OPENAI)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("gpt-4o", "high", None),
        ("gpt-4.1-mini", "none", None),
        ("gpt-5", "none", "minimal"),
        ("o3", "xhigh", "high"),
        ("gpt-5.2", "xhigh", "xhigh"),
        ("unheard-of", "xhigh", "xhigh"),
    ],
)
def test_a_wish_for_thoughts_is_what_the_model_can_do(model: str, effort: Any, sent: str | None) -> None:
    """A client of Messages asks every model to think; OpenAI refuses the efforts that a model does not know."""
    prompt = Prompt((HI,), effort=effort, may_not_think=True, max_tokens=64_000)
    for format in ("openai", "openai-responses"):
        takes = limits(format, "api.openai.com", model)
        assert fit(prompt, takes).prompt.effort == sent
        assert fit(replace(prompt, may_not_think=False), takes).prompt.effort == effort


def test_a_wish_for_thoughts_is_not_told_to_mistral() -> None:
    """Its servers refuse an effort at most of their models; what a version sets is sent."""
    takes = limits("openai", "api.mistral.ai", "mistral-large-latest")
    wish = Prompt((HI,), effort="high", may_not_think=True, wants_thoughts=True)
    assert fit(wish, takes).prompt.effort is None
    assert fit(replace(wish, may_not_think=False), takes).prompt.effort == "high"


def test_the_longest_answer_is_the_models() -> None:
    """Claude Code asks for more tokens than GPT-4o can write."""
    assert fit(Prompt((HI,), max_tokens=64_000), OPENAI).prompt.max_tokens == 16_384
    assert fit(Prompt((HI,), max_tokens=64_000), RESPONSES).prompt.max_tokens == 64_000


def requests_of_clients(id: str, name: str, user: str) -> dict[FormatName, dict[str, Any]]:
    """One conversation with a call and its result as clients of each format send it."""
    schema = {"type": "object", "properties": {"a": {"type": "array"}}}
    call = {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
    use = {"type": "tool_use", "id": id, "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": id, "content": "x"}
    question = {"role": "user", "content": "hi"}
    asked = {"type": "function_call", "call_id": id, "name": name, "arguments": "{}"}
    answered = {"type": "function_call_output", "call_id": id, "output": "x"}
    return {
        "openai": {
            "messages": [
                question,
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": id, "content": "x"},
            ],
            "tools": [{"type": "function", "function": {"name": name, "parameters": schema}}],
            "user": user,
        },
        "openai-responses": {
            "input": [question, asked, answered],
            "tools": [{"type": "function", "name": name, "parameters": schema}],
            "user": user,
        },
        "anthropic": {
            "max_tokens": 9,
            "messages": [question, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}],
            "tools": [{"name": name, "input_schema": schema}],
            "metadata": {"user_id": user},
        },
        "gemini-interactions": {
            "input": [
                {"type": "user_input", "content": "hi"},
                {"type": "function_call", "id": id, "name": name, "arguments": {}},
                {"type": "function_result", "call_id": id, "name": name, "result": "x"},
            ],
            "tools": [{"type": "function", "name": name, "parameters": schema}],
        },
        "gemini": {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"functionCall": {"id": id, "name": name, "args": {}}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"id": id, "name": name, "response": {"output": "x"}}}],
                },
            ],
            "tools": [{"functionDeclarations": [{"name": name, "parametersJsonSchema": schema}]}],
        },
    }


@given(
    ODD.filter(bool),
    ODD.filter(bool),
    ODD,
    st.sampled_from(sorted(requests_of_clients("", "", ""))),
    st.sampled_from(TARGETS),
)
def test_whatever_a_client_sends_fits(
    id: str, name: str, user: str, client: FormatName, target: tuple[FormatName, str, str]
) -> None:
    """From every client's format to every provider's: what goes out is spelled as the target takes it."""
    format, host, model = target
    takes = limits(format, host, model)
    prompt = CLIENTS[client].prompt(requests_of_clients(id, name, user)[client])
    written = PROVIDERS[format].at(host).write(prompt, model)
    texts = spoken(written.body, {})
    [sent] = {tool.name for tool in fit(prompt, takes).prompt.tools}
    assert takes.tool_name.takes(sent) and written.names.get(sent, sent) == name
    assert set(texts["name"]) <= {sent}
    for member in ("tool_call_id", "call_id", "tool_use_id", "toolUseId"):
        assert all(takes.call_id.takes(each) for each in texts.get(member, ()))
    assert all(len(each) <= takes.hints.get("user", 0) for each in (*texts.get("user", ()), *texts.get("user_id", ())))
