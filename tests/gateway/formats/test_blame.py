"""Whose doing a provider's 400 is: by who wrote the member that it names."""

import json
from typing import Any

import pytest

from gateway.errors import Blame, ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.blame import Authors
from gateway.formats.openai_chat.errors import read_error
from gateway.formats.registry import CLIENTS
from routing.agents import AgentVersion, PromptInput, PromptMessage, Target, Tool

TOOL = {"type": "function", "function": {"name": "own", "parameters": {}}}
MESSAGES: dict[str, Any] = {
    "model": "a",
    "max_tokens": 9,
    "temperature": 0.5,
    "metadata": {"user_id": "u"},
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "tools": [{"name": "t", "input_schema": {"type": "object"}}],
}


def applied(system: str | None = None, tools: tuple[Tool, ...] = (), may_set: tuple[str, ...] = (), **set_: str) -> Any:
    """A version that sets that."""
    return AppliedVersion.of(
        AgentVersion("v1", Target("p", "m"), system, set_, tools, frozenset(may_set)),
    )


def error(param: str | None = None, status: int = 400, code: str | None = None) -> tuple[ProviderError, bytes]:
    """A provider's error and its body."""
    body = json.dumps({"error": {"message": "no", "param": param, "code": code}}).encode()
    return read_error(status, [], body), body


def translated(param: str | None, version: Any = None, code: str | None = None, **more: Any) -> Blame:
    """Whom an error about a request of Messages is held against at a provider of another format."""
    sent = {**MESSAGES, **more}
    authors = Authors(version or applied(), sent, frozenset({"stream_options"}), CLIENTS["anthropic"].prompt(sent))
    return authors.blamed(*error(param, code=code)).blame


@pytest.mark.parametrize(
    ("param", "blame"),
    [
        ("temperature", "client"),
        ("messages[0].content", "client"),
        ("input[0]", "client"),
        ("user", "unknown"),
        ("safety_identifier", "gateway"),
        ("stream_options", "gateway"),
        ("stream_options.include_usage", "gateway"),
        ("reasoning_effort", "gateway"),
        ("service_tier", "gateway"),
        ("tools[0].function.parameters", "unknown"),
        ("tools", "unknown"),
        ("max_completion_tokens", "unknown"),
        ("messages[0].tool_calls[0].id", "unknown"),
        ("messages[7]", "unknown"),
        ("model", "version"),
        (None, "unknown"),
    ],
)
def test_a_translated_request(param: str | None, blame: Blame) -> None:
    """Only what the client sent under that name is its own; what it has not asked for is the gateway's."""
    assert translated(param) == blame


def test_content_is_the_clients_however_it_is_spelled() -> None:
    """A conversation that is too long, or that a filter refuses, is nobody else's doing."""
    assert translated(None, code="context_length_exceeded") == "client"
    assert translated("input[3].content", code="content_filter") == "client"


@pytest.mark.parametrize("code", ["jailbreak", "ResponsibleAIPolicyViolation", "DataInspectionFailed", "SAFETY"])
def test_filters_have_many_codes(code: str) -> None:
    """The codes that tell a moderation's 403 tell its 400, too, in upper or lower case."""
    assert translated("messages", code=code) == "client"
    assert translated(None, code=code) == "client"


def test_what_the_version_sets_is_its_own() -> None:
    """Under whatever name the provider knows it, and also where it fills in what the client left out."""
    assert translated("temperature", applied(temperature="9")) == "version"
    assert translated("max_completion_tokens", applied(max_tokens="9")) == "version"
    assert translated("reasoning.effort", applied(reasoning_effort='"high"')) == "version"
    assert translated("seed", applied(may_set=("seed",), seed="1")) == "version"
    assert translated("temperature", applied(may_set=("temperature",), temperature="1")) == "client"


def through(param: str | None, version: Any, sent: dict[str, Any], added: frozenset[str] = frozenset()) -> Blame:
    """Whom an error about a request that went through is held against."""
    return Authors(version, sent, added).blamed(*error(param)).blame


def test_a_request_that_goes_through() -> None:
    """All but the version's part, and what the gateway has added, is the client's."""
    added = frozenset({"stream_options"})
    assert through("stream_options", applied(), {"messages": []}, added) == "gateway"
    assert through("stream_options", applied(), {"messages": []}) == "client"
    assert through("logit_bias.5", applied(), {"messages": []}, added) == "client"
    assert through(None, applied(), {"messages": []}, added) == "client"


def test_the_clients_own_tools_and_messages_are_not_the_versions() -> None:
    """The version's come first, so that the index tells whose one is: no client can blame a version for its own."""
    version = applied("Hi.", (Tool("own", json.dumps(TOOL)),))
    sent = {"messages": [{"role": "user", "content": ""}], "tools": [TOOL]}
    assert through("tools[0].function.parameters", version, sent) == "version"
    assert through("tools.1.custom.input_schema", version, sent) == "client"
    assert through("tools", version, sent) == "client"
    assert through("tools", version, {"messages": []}) == "version"
    assert through("messages[0].content", version, sent) == "version"
    assert through("messages[1].content", version, sent) == "client"
    assert through("messages[0].content", applied(), sent) == "client"
    assert through("system.0.text", version, {**sent, "system": "x"}) == "version"
    assert through("system.1.text", version, {**sent, "system": "x"}) == "client"
    assert through("system", version, {"messages": []}) == "version"


@pytest.mark.parametrize("param", ["a" * 300, "[[[", "tools[99999999999999999999]", "tools[²]", "messages[-1]"])
def test_odd_params_blame_nobody(param: str) -> None:
    """A provider may name anything."""
    assert through(param, applied("Hi.", (Tool("own", json.dumps(TOOL)),)), MESSAGES) == "client"
    assert translated(param) in ("unknown", "gateway")


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"loc": ["body", "temperature"], "msg": "no"}]},
        {"object": "error", "message": {"detail": [{"loc": ["body", "temperature"], "msg": "no"}]}},
    ],
)
def test_the_field_that_fastapi_names(body: Any) -> None:
    """vLLM and Mistral name it as a place in the body."""
    assert read_error(422, [], json.dumps(body).encode()).param == "temperature"


def test_prompt_with_values() -> None:
    """Of a prompt that holds a client's values nobody knows whose fault it is; the version is not blamed."""
    inputs = {"name": PromptInput()}
    version = AgentVersion("v1", Target("p", "m"), "{{name}}", inputs=inputs)
    filled = AppliedVersion.of(version).filled({"name": "x"})
    assert through("messages[0].content", filled, {"messages": [{}]}) == "client"
    assert through("model", filled, {"messages": [{}]}) == "version"


@pytest.mark.parametrize(
    ("messages", "blames"),
    [
        ([{"role": "user"}], ("version", "version", "version", "client")),
        ([{"role": "system"}, {"role": "user"}], ("version", "client", "client", "client")),
    ],
)
def test_turns_of_a_version(messages: list[Any], blames: tuple[str, ...]) -> None:
    """A version's turns are its own, as far as their places are known: a client's system message stands between."""
    turns = (PromptMessage("user", "a"), PromptMessage("assistant", "b"))
    version = AppliedVersion.of(AgentVersion("v1", Target("p", "m"), "Be kind.", messages=turns))
    found = [through(f"messages[{index}].content", version, {"messages": messages}) for index in range(4)]
    assert tuple(found) == blames
