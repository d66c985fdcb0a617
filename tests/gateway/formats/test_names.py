"""Names of functions that the provider does not take, where it speaks the client's own format."""

import json
from typing import Any

import pytest

from gateway.calls import Call, Caller, FormatName
from gateway.formats.applied import AppliedVersion
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.registry import PROVIDERS
from gateway.formats.translate import Attempted, Translation, translation
from gateway.json_body import Document
from gateway.net.client import Origin
from routing.agents import AgentVersion, Target

NAME = "acme.tickets/list"
SCHEMA = {"type": "object", "properties": {}}
HELLO = [{"role": "user", "content": "hi"}]
CHAT = {"messages": HELLO, "tools": [{"type": "function", "function": {"name": NAME, "parameters": SCHEMA}}]}
RESPONSES = {"input": HELLO, "tools": [{"type": "function", "name": NAME, "parameters": SCHEMA}]}
MESSAGES = {"messages": HELLO, "max_tokens": 9, "tools": [{"name": NAME, "input_schema": SCHEMA}]}
TARGET = Target("p", "gpt-4o")


def way(format: FormatName, body: dict[str, Any], host: str, stream: bool = False) -> Translation:
    """How such a call goes there."""
    document = Document.parse(json.dumps({"model": "agent", **body}).encode())
    call = Call("1", Caller("", ""), "a", None, document, stream, False, [], "", 0.0, format=format)
    applied = AppliedVersion.of(AgentVersion("v1", TARGET))
    endpoint = ProviderEndpoint("p", Origin("https", host, 443), "/v1", PROVIDERS[format].at(host))
    return translation(Attempted(call, applied, endpoint, TARGET, format, lambda: 0.0))


@pytest.mark.parametrize(
    ("format", "body", "host"),
    [
        ("openai", CHAT, "api.openai.com"),
        ("openai-responses", RESPONSES, "api.openai.com"),
        ("anthropic", MESSAGES, "api.anthropic.com"),
    ],
)
def test_names_are_mapped(format: FormatName, body: dict[str, Any], host: str) -> None:
    """The request is written anew with a name that fits; other requests go through as they came."""
    asked = way(format, body, host).request().body.decode()
    assert NAME not in asked and "acme_tickets_list_" in asked
    fitting = json.loads(json.dumps(body).replace(NAME, "own"))
    assert way(format, fitting, host).request().body.decode().count("own") == 1


def test_servers_whose_limits_nobody_knows_are_asked_as_it_came() -> None:
    """An open model's server may take any name."""
    assert NAME in way("openai", CHAT, "vllm.example").request().body.decode()


def test_the_client_hears_its_own_name() -> None:
    """In a whole answer and in a stream."""
    here = way("openai", CHAT, "api.openai.com")
    sent = json.loads(here.request().body)["tools"][0]["function"]["name"]
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": sent, "arguments": "{}"}}
    choice = {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    told = json.loads(here.whole(json.dumps({"id": "c", "choices": [choice]}).encode()).body)
    assert told["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == NAME
    streamed = way("openai", CHAT, "api.openai.com", stream=True)
    streamed.request()
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    relayed = streamed.reader().feed(b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")
    assert NAME.encode() in relayed and sent.encode() not in relayed
