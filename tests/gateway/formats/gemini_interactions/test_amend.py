"""A version put into a client's own request: what it sets changes, and all else goes through byte for byte."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import CallerError, NotFound
from gateway.formats.gemini_interactions.amend import amend
from gateway.formats.gemini_interactions.client_request import read_prompt
from gateway.formats.gemini_interactions.provider import PROVIDER
from gateway.formats.prompt import OutputShape, ToolChoice, ToolSpec, Untranslatable
from gateway.formats.settings import Settings
from gateway.json_body import Document


def amended(body: str, settings: Settings) -> Any:
    document = Document.parse(body.encode())
    return json.loads(document.render(amend(document, settings, "gemini-3.8-flash")))


def test_what_a_version_leaves_alone() -> None:
    """Spelling of numbers, unknown members, state and Google's own tools stay; the model is the version's."""
    body = '{"model":"a","input":"h\\u00e9","previous_interaction_id":"v1_x","new":1.0e3}'
    document = Document.parse(body.encode())
    assert document.render(amend(document, Settings(), "m")).decode() == body.replace('"a"', '"m"')


def test_every_turn_gets_the_versions_part() -> None:
    """Also one that goes on from a stored interaction, which keeps no settings."""
    settings = Settings(
        system="Be a bird.",
        tools=(ToolSpec("look_up", "Mine.", {"type": "object"}),),
        fixed={"max_tokens": 9, "effort": "high"},
        defaults={"temperature": 0.5, "top_p": 0.1},
    )
    body = {
        "model": "a", "input": "x", "previous_interaction_id": "v1_x", "system_instruction": "Sing.",
        "tools": [{"type": "mcp_server", "name": "look_up"}, {"type": "function", "name": "look_up"}],
        "generation_config": {"top_p": 0.9, "thinking_level": "low", "speech_config": {"voice": "x"}},
    }  # fmt: skip
    found = amended(json.dumps(body), settings)
    assert found["system_instruction"] == "Be a bird.\n\nSing."
    assert [(tool["type"], tool.get("description")) for tool in found["tools"]] == [
        ("function", "Mine."),
        ("mcp_server", None),
    ]
    assert found["generation_config"] == {
        "top_p": 0.9, "thinking_level": "high", "speech_config": {"voice": "x"}, "max_output_tokens": 9,
        "temperature": 0.5,
    }  # fmt: skip
    assert found["previous_interaction_id"] == "v1_x"


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        (Settings(fixed={"max_tokens": None}), {"seed": 1}),
        (Settings(fixed={"stop": ("a",)}), {"stop_sequences": ["a"]}),
        (Settings(fixed={"tool_choice": ToolChoice("none")}), {"tool_choice": "none"}),
        (Settings(tools=(ToolSpec("g", strict=True),)), {"tool_choice": "validated"}),
        (Settings(fixed={"wants_thoughts": True}), {"thinking_summaries": "auto"}),
        (Settings(native={"generation_config": {"speech_config": {"voice": "y"}}}), {"speech_config": {"voice": "y"}}),
        (Settings(fixed={"seed": 2}, native={"generation_config": {"new": 1}}), {"seed": 2, "new": 1}),
    ],
)  # fmt: skip
def test_settings(settings: Settings, config: dict[str, object]) -> None:
    """They are laid over the client's own; null takes a member out."""
    body = {"model": "a", "input": "x", "tools": [{"type": "function", "name": "f"}],
            "generation_config": {"max_output_tokens": 5, "seed": 1}}  # fmt: skip
    found = amended(json.dumps(body), settings)["generation_config"]
    kept = {"max_output_tokens": 5, "seed": 1} if settings.fixed != {"max_tokens": None} else {}
    assert found == {**kept, **config}


def test_the_shape_of_an_answer() -> None:
    """A fixed one replaces the client's, in whichever member that stood; a default fills in."""
    given = json.dumps({"model": "a", "input": "x", "response_mime_type": "text/plain"})
    found = amended(given, Settings(fixed={"output": OutputShape({"type": "object"})}))
    assert found["response_format"]["schema"] == {"type": "object"} and "response_mime_type" not in found
    assert "response_format" not in amended(given, Settings(defaults={"output": OutputShape()}))
    assert amended('{"model":"a","input":"x"}', Settings(defaults={"output": OutputShape()}))["response_format"]


def test_an_agent_of_googles() -> None:
    """It is named in the member that the client used, and takes a prompt, but no parameters."""
    found = amended('{"agent":"a","input":"x","background":true}', Settings(system="Be a bird."))
    assert (found["agent"], found["system_instruction"], "model" in found) == ("gemini-3.8-flash", "Be a bird.", False)
    with pytest.raises(Untranslatable) as caught:
        amended('{"agent":"a","input":"x"}', Settings(fixed={"temperature": 1.0}))
    assert caught.value.param == "agent"


@pytest.mark.parametrize(
    ("body", "settings", "error"),
    [
        ({"previous_interaction_id": "int_serinus_1"}, Settings(), NotFound),
        ({"system_instruction": 7}, Settings(system="x"), CallerError),
        ({"generation_config": 7}, Settings(), CallerError),
        ({}, Settings(fixed={"top_k": 5}), Untranslatable), ({}, Settings(fixed={"seed": 2**40}), Untranslatable),
        ({}, Settings(fixed={"tool_choice": ToolChoice("required")}), Untranslatable),
    ],
)  # fmt: skip
def test_what_cannot_be(body: dict[str, object], settings: Settings, error: type[CallerError]) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(error):
        amended(json.dumps({"model": "a", "input": "x", **body}), settings)


@pytest.mark.parametrize(
    ("body", "param", "meant"),
    [
        ({"previousInteractionId": "v1_x"}, "previousInteractionId", "previous_interaction_id"),
        ({"systemInstruction": "mine"}, "systemInstruction", "system_instruction"),
        ({"generationConfig": {}}, "generationConfig", "generation_config"),
        ({"generation_config": {"maxOutputTokens": 9}}, "generation_config.maxOutputTokens", "max_output_tokens"),
    ],
)
def test_members_in_camel_case(body: dict[str, object], param: str, meant: str) -> None:
    """Refused by name, whether the request goes through or not: a turn would lose its version, or the version a say."""
    request = {"model": "a", "input": "x", **body}
    readers: tuple[Callable[[], object], ...] = (
        lambda: amended(json.dumps(request), Settings(system="s")),
        lambda: read_prompt(request),
    )
    for read in readers:
        with pytest.raises(CallerError, match=meant) as caught:
            read()
        assert caught.value.param == param


def test_what_a_version_sets_for_the_other_api() -> None:
    """Safety settings are said in this API's words; what it has no word for is refused by name."""
    settings = [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_ONLY_HIGH"}]
    assert PROVIDER.adopt({"safetySettings": settings, "labels": {"a": "b"}, "cachedContent": "c"}) == {
        "safety_settings": [{"type": "hate_speech", "threshold": "block_only_high"}],
        "labels": {"a": "b"},
        "cached_content": "c",
    }
    assert PROVIDER.adopt({"safetySettings": 7}) == {"safety_settings": 7}
    with pytest.raises(Untranslatable) as caught:
        PROVIDER.adopt({"generationConfig": {}})
    assert caught.value.param == "generationConfig"
