"""Servers whose model takes one system message, and that first."""

import json
from typing import Any

import pytest

from gateway.calls import Call, Caller
from gateway.formats.applied import AppliedVersion
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.openai_chat._systems import with_one_system
from gateway.formats.openai_chat.amend import chat_request
from gateway.formats.prompt import Message, Prompt, Text
from gateway.formats.registry import PROVIDERS
from gateway.json_body import Document
from gateway.net.client import Origin
from routing.agents import AgentVersion, Target

TARGET = Target("p", "qwen3")
MARKED = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        ([said("system", "a"), said("user", "q")], [said("system", "a"), said("user", "q")]),
        ([said("system", "a"), said("developer", "b")], [said("system", "a\n\nb")]),
        (
            [said("system", "a"), said("system", [{"type": "text", "text": "b"}]), said("user", "q")],
            [said("system", "a\n\nb"), said("user", "q")],
        ),
        (
            [said("system", "a"), said("system", [MARKED])],
            [said("system", [{"type": "text", "text": "a"}, MARKED])],
        ),
        (
            [said("user", "q"), said("assistant", "x"), said("system", "s"), said("user", "r")],
            [said("user", "q"), said("assistant", "x"), said("user", "<system>\ns\n</system>\n\nr")],
        ),
        ([said("user", "q"), said("system", "s")], [said("user", "q\n\n<system>\ns\n</system>")]),
        (
            [said("user", [{"type": "text", "text": "q"}]), said("system", [MARKED])],
            [
                said("user", [{"type": "text", "text": "q"}]),
                said("user", [{**MARKED, "text": "<system>\nb\n</system>"}]),
            ],
        ),
        ([said("user", "q"), said("user", "r"), 7], [said("user", "q"), said("user", "r"), 7]),
        ([said("system", None), said("system", "a")], [said("system", "a")]),
    ],
)
def test_one_leading_message(messages: list[Any], sent: list[Any]) -> None:
    """Leading ones become one; a later one is told by the user, between tags."""
    assert with_one_system(messages) == sent


def request(host: str, messages: str, prompt: str | None = "You are v1.") -> str:
    """The messages that go there."""
    document = Document.parse(f'{{"model":"agent","messages":{messages}}}'.encode())
    call = Call("1", Caller("", ""), "a", None, document, False, False, [], "", 0.0, format="openai")
    applied = AppliedVersion.of(AgentVersion("v1", TARGET, system_prompt=prompt))
    body = chat_request(
        call, applied, ProviderEndpoint("p", Origin("https", host, 443), "/v1", PROVIDERS["openai"]), TARGET
    ).body
    return Document.parse(body).texts["messages"]


CLIENTS = '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "é 1.0"}]'


def test_the_versions_prompt_and_the_clients_are_one() -> None:
    """A client's own system message stands behind the version's, in one message; the rest goes through as it came."""
    sent = request("vllm.example", CLIENTS)
    assert json.loads(sent)[0] == said("system", "You are v1.\n\nBe brief.")
    assert sent.endswith(',{"role": "user", "content": "é 1.0"}]')


@pytest.mark.parametrize(("host", "prompt"), [("api.openai.com", "You are v1."), ("vllm.example", None)])
def test_what_may_stay_goes_through(host: str, prompt: str | None) -> None:
    """OpenAI takes several; one alone is nothing to change."""
    sent = request(host, CLIENTS, prompt)
    assert sent.endswith(CLIENTS[1:]) and len(json.loads(sent)) == (3 if prompt else 2)


@pytest.mark.parametrize(("host", "count"), [("vllm.example", 1), ("api.openai.com", 3)])
def test_a_translated_request(host: str, count: int) -> None:
    """A system prompt of several blocks, as Claude Code sends it, is one message for open models."""
    system = tuple(Message("system", (Text(text),)) for text in "abc")
    messages = (
        PROVIDERS["openai"].at(host).write(Prompt((*system, Message("user", (Text("q"),)))), "m").body["messages"]
    )
    assert [each["role"] for each in messages] == ["system"] * count + ["user"]


def test_many_system_messages_are_joined_at_once() -> None:
    """A turn that is joined from many messages is built once, not once for each of them."""
    sent = with_one_system([said("user", "q"), *[said("system", "s"), said("user", "r")] * 10_000])
    assert len(sent) == 1 and sent[0]["content"].count("<system>") == 10_000
