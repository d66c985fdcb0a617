"""Prompts as clients send them, for the properties of every wire format.

`prompts()` draws conversations that all formats can say: system first, turns that alternate, every tool call answered
in the next turn, images and PDFs as base64 or by URL. What only some formats can say is asked for by name:
`prompts(sampling=True)` adds sampling parameters, `structured=True` an output schema, `later_system=True` a system
message in mid-conversation.
"""

from base64 import b64encode
from typing import Any

from hypothesis import strategies as st

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
)

NAMES = ("get_weather", "book-room", "search")
# Without lone surrogates, which no JSON in UTF-8 can hold; with what sloppy readers of lines and quotes stumble over.
CHARACTERS = st.characters(codec="utf-8") | st.sampled_from('\u2028\x85\\"\n\t🐤é')
WORDS = st.text(CHARACTERS, min_size=1, max_size=20).map(lambda text: f"{text}.").filter(lambda text: text.strip())
# Any JSON value, for hostile input.
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}

texts = st.builds(Text, WORDS)
images = st.builds(
    lambda data: Media("image", mime="image/png", data=b64encode(data).decode()), st.binary(min_size=1, max_size=9)
) | st.just(Media("image", url="https://example.com/cat.png"))
files = st.just(Media("file", mime="application/pdf", data=b64encode(b"%PDF-1.7").decode(), name="a.pdf"))


def specs() -> st.SearchStrategy[tuple[ToolSpec, ...]]:
    """Zero to three functions of different names."""
    one = st.builds(ToolSpec, st.sampled_from(NAMES), WORDS, st.just(SCHEMA))
    return st.lists(one, max_size=3, unique_by=lambda spec: spec.name).map(tuple)


@st.composite
def turns(draw: st.DrawFn, tools: tuple[ToolSpec, ...], later_system: bool) -> list[Message]:
    """User and assistant by turns; what was called is answered; the last turn is the user's."""
    messages = [Message("user", tuple(draw(st.lists(texts | images | files, min_size=1, max_size=2))))]
    for turn in range(draw(st.integers(0, 3))):
        calls = draw(_calls(tools, turn))
        said: tuple[Part, ...] = (draw(texts),) if not calls or draw(st.booleans()) else ()
        messages.append(Message("assistant", (*said, *calls)))
        results = [draw(_result(call)) for call in calls]
        asked: tuple[Part, ...] = (draw(texts),) if not calls or draw(st.booleans()) else ()
        messages.append(Message("user", (*results, *asked)))
        if later_system and draw(st.booleans()):
            messages += [Message("system", (draw(texts),)), Message("user", (draw(texts),))]
    return messages


@st.composite
def _calls(draw: st.DrawFn, tools: tuple[ToolSpec, ...], turn: int) -> tuple[ToolCall, ...]:
    """The calls of one turn, with ids that no other turn has."""
    if not tools:
        return ()
    names = draw(st.lists(st.sampled_from([tool.name for tool in tools]), max_size=2))
    arguments = st.sampled_from(['{"city":"Zoë","days":1}', "{}", '{"nested":{"list":[1,2.5,null,true]}}'])
    return tuple(ToolCall(f"call_{turn}_{index}", name, draw(arguments)) for index, name in enumerate(names))


@st.composite
def _result(draw: st.DrawFn, call: ToolCall) -> ToolResult:
    parts = draw(st.lists(texts, min_size=1, max_size=2))
    return ToolResult(call.id, tuple(parts), name=call.name)


def choices(tools: tuple[ToolSpec, ...]) -> st.SearchStrategy[ToolChoice | None]:
    """How the functions may be called; None where there are none."""
    if not tools:
        return st.none()
    insisting = st.sampled_from(tools).map(lambda tool: ToolChoice("one", tool.name))
    modes: list[ToolChoice] = [ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
    return st.none() | st.sampled_from(modes) | insisting


@st.composite
def prompts(draw: st.DrawFn, *, sampling: bool = False, structured: bool = False, later_system: bool = False) -> Prompt:
    """A whole request."""
    tools = draw(specs())
    system = [Message("system", (text,)) for text in draw(st.lists(texts, max_size=2))]
    fields: dict[str, Any] = {
        "max_tokens": draw(st.none() | st.integers(2048, 4096)),
        "stream": draw(st.booleans()),
        "tool_choice": draw(choices(tools)),
    }
    if sampling:
        fields["temperature"] = draw(st.none() | st.sampled_from([0.0, 0.25, 1.0]))
        fields["top_p"] = draw(st.none() | st.sampled_from([0.5, 1.0]))
        fields["stop"] = draw(st.sampled_from([(), ("END",), ("END", "STOP")]))
    if structured:
        fields["output"] = draw(st.none() | st.just(OutputShape(SCHEMA, "answer", strict=True)))
    return Prompt((*system, *draw(turns(tools, later_system))), tools, **fields)


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """The value with something else in one place, at any depth."""
    inside: st.SearchStrategy[Any]
    if isinstance(value, dict) and value:
        inside = st.sampled_from(sorted(value)).flatmap(
            lambda name: mutated(value[name]).map(lambda other: {**value, name: other})
        )
    elif isinstance(value, list) and value:
        inside = st.integers(0, len(value) - 1).flatmap(
            lambda at: mutated(value[at]).map(lambda other: [*value[:at], other, *value[at + 1 :]])
        )
    else:
        return VALUES
    return inside | VALUES
