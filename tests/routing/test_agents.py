"""A version's digest: the same for the same content, another for any other."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.agents import AgentVersion, PromptInput, PromptMessage, Target, Tool

FULL = AgentVersion(
    "v1",
    Target("openai", "gpt-4o"),
    system_prompt="Be brief.",
    parameters={"temperature": "0.3", "stop": '["a","b"]'},
    tools=(Tool("look", '{"name":"look"}'), Tool("buy", '{"name":"buy"}')),
    client_may_set=frozenset({"temperature"}),
)


def test_a_digest_is_a_sha256() -> None:
    """64 hex digits, pinned: a change here would make every recorded canary look new."""
    assert FULL.digest == "59eef007d6cdfd6276e404b055e7ccb5d4017da3ce2c8b63ffa735f2b6809cc8"


def test_the_name_is_no_part_of_the_digest() -> None:
    """A renamed file is not a new version."""
    assert replace(FULL, name="v9").digest == FULL.digest


@pytest.mark.parametrize(
    "change",
    [
        {"target": Target("openai", "gpt-4o-mini")},
        {"target": Target("azure", "gpt-4o")},
        {"system_prompt": "Be brief. "},
        {"system_prompt": ""},
        {"system_prompt": None},
        {"parameters": {"temperature": "0.4", "stop": '["a","b"]'}},
        {"parameters": {"temperature": "0.3", "stop": '["b","a"]'}},
        {"parameters": {"temperature": "0.3"}},
        {"tools": FULL.tools[:1]},
        {"tools": FULL.tools[::-1]},
        {"tools": (Tool("look", '{"name":"look","strict":true}'), FULL.tools[1])},
        {"client_may_set": frozenset[str]()},
        {"client_may_set": frozenset({"temperature", "stop"})},
        {"messages": (PromptMessage("user", "Hi"),)},
        {"inputs": {"name": PromptInput()}},
    ],
)
def test_any_other_content_is_another_version(change: dict[str, Any]) -> None:
    """Nothing that reaches the model, or lets a client change what does, can be edited unnoticed."""
    assert replace(FULL, **change).digest != FULL.digest


@given(st.permutations(["temperature", "stop", "seed", "top_p"]), st.permutations(["stop", "seed"]))
def test_the_order_of_keys_does_not_matter(order: list[str], settable: list[str]) -> None:
    """YAML mappings have no order, and neither has what a client may set."""
    values = {name: f'"{name}"' for name in order}
    version = replace(FULL, parameters=values, client_may_set=frozenset(settable))
    expected = replace(FULL, parameters=dict(sorted(values.items())), client_may_set=frozenset(sorted(settable)))
    assert version.digest == expected.digest


def test_the_spelling_of_json_does_not_matter() -> None:
    """White space, key order inside values and 0.30 for 0.3 say the same."""
    spelled = {"temperature": " 0.30", "stop": '[ "a", "\\u0062" ]'}
    tools = (FULL.tools[0], Tool("buy", '{ "name" : "buy" }'))
    assert replace(FULL, parameters=spelled, tools=tools).digest == FULL.digest


INPUT = PromptInput("string", 5, ('"a"', '"b"'), '"a"')


@pytest.mark.parametrize(
    "change", [{"type": "object"}, {"max_length": 6}, {"enum": ()}, {"default": None}, {"required": False}]
)
def test_another_declaration_is_another_version(change: dict[str, Any]) -> None:
    """What a call may give, and must give, is part of a version; the order of choices is not."""
    version = replace(FULL, inputs={"x": INPUT})
    assert replace(FULL, inputs={"x": replace(INPUT, **change)}).digest != version.digest
    assert replace(FULL, inputs={"x": replace(INPUT, enum=INPUT.enum[::-1])}).digest == version.digest


def test_needed_inputs() -> None:
    """A call must give a value that has no default and is not optional."""
    needed = [PromptInput(), PromptInput(default="1"), PromptInput(required=False)]
    assert [each.is_needed for each in needed] == [True, False, False]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (PromptInput(), "string"),
        (PromptInput(max_length=5, default='"x"'), 'string, at most 5, default "x"'),
        (PromptInput(max_length=5, enum=('"a"', '"b"')), 'string, one of "a", "b"'),
        (PromptInput("number", required=False), "number, optional"),
    ],
)
def test_declarations_in_words(declared: PromptInput, words: str) -> None:
    """A declaration can be read on one line."""
    assert declared.in_words == words
