"""The version on top of a client's request, member by member."""

import json
from typing import Any

import pytest

from gateway.formats.applied import AppliedVersion
from gateway.formats.openai_chat.amend import changes
from gateway.json_body import Document
from routing.agents import AgentVersion, Target, Tool

TARGET = Target("openai", "gpt-4o")


def tool(name: str, by: str) -> str:
    return json.dumps({"type": "function", "function": {"name": name, "description": by}})


def sent(version: AgentVersion, stream: bool = False, **body: Any) -> dict[str, Any]:
    """What the provider gets for a body with these members."""
    document = Document.parse(json.dumps({"model": "agent", "messages": [], **body}).encode())
    rendered = document.render(changes(document, AppliedVersion.of(version), "gpt-4o", stream))
    result: dict[str, Any] = json.loads(rendered)
    return result


def version(parameters: dict[str, str] | None = None, **more: Any) -> AgentVersion:
    return AgentVersion("v1", TARGET, parameters=parameters or {}, **more)


def test_parameters_of_the_version_win() -> None:
    """What the version sets replaces what the client sent; what it leaves alone passes."""
    got = sent(version({"temperature": "0.3"}), temperature=2, top_p=0.5)
    assert (got["model"], got["temperature"], got["top_p"]) == ("gpt-4o", 0.3, 0.5)


@pytest.mark.parametrize(("body", "wanted"), [({}, 0.3), ({"temperature": 1}, 1), ({"temperature": None}, None)])
def test_client_may_set(body: dict[str, Any], wanted: Any) -> None:
    """A parameter that the client may set is a default: the client's own value wins, null included."""
    got = sent(version({"temperature": "0.3"}, client_may_set=frozenset({"temperature"})), **body)
    assert got["temperature"] == wanted


@pytest.mark.parametrize(
    ("own", "clients"), [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")]
)
def test_two_spellings_of_one_limit(own: str, clients: str) -> None:
    """A version that sets one spelling means both; as a default it gives way to either."""
    body: dict[str, Any] = {clients: 5}
    assert sent(version({own: "9"}), **body) == {"model": "gpt-4o", "messages": [], own: 9}
    lenient = version({own: "9"}, client_may_set=frozenset({own}))
    assert sent(lenient, **body) == {"model": "gpt-4o", "messages": [], clients: 5}


@pytest.mark.parametrize("messages", [[], [{"role": "user", "content": "hi"}], [{"role": "system", "content": "x"}]])
def test_system_prompt_comes_first(messages: list[Any]) -> None:
    """The version's prompt goes before everything the client sent, the client's own system message included."""
    got = sent(version(system_prompt="Be kind."), messages=messages)
    assert got["messages"] == [{"role": "system", "content": "Be kind."}, *messages]


def test_tools_merge_by_name() -> None:
    """The version's tools replace those of the same name; the client's others follow."""
    mine = (Tool("a", tool("a", "version")), Tool("b", tool("b", "version")))
    theirs = [json.loads(tool(name, "client")) for name in "bc"] + [{"type": "custom", "custom": {"name": "d"}}]
    got = sent(version(tools=mine), tools=theirs)
    assert [each.get("function", {}).get("description") for each in got["tools"]] == [
        "version", "version", "client", None,
    ]  # fmt: skip


@pytest.mark.parametrize("tools", [None, [], "none", {"a": 1}])
def test_tools_without_tools_of_the_client(tools: Any) -> None:
    """What is no list of tools is replaced by the version's."""
    got = sent(version(tools=(Tool("a", tool("a", "version")),)), tools=tools)
    assert [each["function"]["name"] for each in got["tools"]] == ["a"]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ("odd", {"include_usage": True}),
        ({"include_usage": False, "x": 1}, {"include_usage": True, "x": 1}),
        ({"x": 1}, {"include_usage": True, "x": 1}),
    ],
)
def test_usage_is_asked_for(options: Any, wanted: dict[str, Any]) -> None:
    """Every stream is asked for its usage; other stream options stay. Without a stream nothing is added."""
    assert sent(version(), stream=True, stream_options=options)["stream_options"] == wanted
    assert "stream_options" not in sent(version())


@pytest.mark.parametrize(
    ("param", "blamed"),
    [("model", True), ("temperature", True), ("tools[0].function", True), ("logit_bias.5", False), (None, False)],
)
def test_blame(param: str | None, blamed: bool) -> None:
    """An error about a field that the version alone decided is the version's."""
    applied = AppliedVersion.of(version({"temperature": "9"}, tools=(Tool("a", tool("a", "version")),)))
    assert applied.blamed_by(param) is blamed
