"""Claude Code works through the gateway at providers of OpenAI's formats that refuse what OpenAI refuses."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.calling import PROVIDERS, Place, events
from tests.support.claude_code import HEADERS, LONG_TOOL, QUERY, request
from tests.support.clients import run
from tests.support.dialects import DIALECTS, Said

Serve = Callable[..., Awaitable[Place]]
FORMATS: tuple[FormatName, ...] = ("openai", "openai-responses")


async def served(serve: Serve, api: FormatName, model: str = "gpt-4o", **more: Any) -> Place:
    """An agent on that model, at a provider that is as strict as OpenAI."""
    here = await serve(api=api, version={"model": f"{PROVIDERS[api]}/{model}", **more})
    here.standin.behave(model, ModelBehaviour(strict=True, tool_calls=True))
    return here


async def said(here: Place, asked: dict[str, Any]) -> tuple[Said, list[dict[str, Any]]]:
    """What the client reads, and the content that it sends back in the next turn."""
    answer = await here.http.post(f"{here.base_url}/messages{QUERY}", json=asked, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    read = DIALECTS["anthropic"].streamed(events(answer.content)) if asked["stream"] else None
    read = read or DIALECTS["anthropic"].whole(answer.json())
    content = [{"type": "text", "text": read.text}] if read.text else []
    calls = [{"type": "tool_use", "id": id_, "name": name, "input": value} for id_, name, value in read.calls]
    return read, [*content, *calls]


def answered(content: list[dict[str, Any]], text: str = "") -> dict[str, Any]:
    """The user's turn with the results of those calls."""
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "found", "is_error": False}
        for block in content
        if block["type"] == "tool_use"
    ]
    return {"role": "user", "content": [*results, *([{"type": "text", "text": text}] if text else [])]}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
@pytest.mark.parametrize("api", FORMATS)
async def test_a_session(serve: Serve, api: FormatName, stream: bool) -> None:
    """Several turns with a long tool name, parallel calls and results: none is refused, and all names are its own."""
    here = await served(serve, api)
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Search."}]
    first, content = await said(here, request(here.agent, *turns, stream=stream))
    assert [name for _, name, _ in first.calls] == [LONG_TOOL] and first.stop == "tool_use"
    turns += [{"role": "assistant", "content": content}, answered(content)]
    second, content = await said(here, request(here.agent, *turns, stream=stream))
    assert second.text and not second.calls and second.stop == "end_turn"
    asked = {"role": "user", "content": [{"type": "text", "text": "call Read and call mcp__clock__now"}]}
    turns += [{"role": "assistant", "content": content}, asked]
    third, content = await said(here, request(here.agent, *turns, stream=stream))
    assert [name for _, name, _ in third.calls] == ["Read", "mcp__clock__now"]
    turns += [{"role": "assistant", "content": content}, answered(content, "Go on.")]
    last, _ = await said(here, request(here.agent, *turns, stream=stream))
    assert last.text or last.calls
    assert (await here.books(requests=4)).errors == 0 and here.standin.counts("refused").requests == 0


@pytest.mark.parametrize("api", FORMATS)
async def test_what_arrives(serve: Serve, api: FormatName) -> None:
    """The provider gets a short user, short names and ids, whole schemas, and nothing that only Anthropic knows."""
    here = await served(serve, api)
    await said(here, request(here.agent, {"role": "user", "content": "Search."}))
    body = here.received_json()
    assert len(body["user"]) == 64 and not body.keys() & {
        "context_management",
        "metadata",
        "thinking",
        "speed",
        "reasoning",
    }
    named = [tool.get("function", tool) for tool in body["tools"]]
    assert len(named) == 43 and max(len(tool["name"]) for tool in named) == 64
    assert all("properties" in tool["parameters"] for tool in named)
    assert 16_384 in (body.get("max_tokens"), body.get("max_completion_tokens"), body.get("max_output_tokens"))
    assert LONG_TOOL not in json.dumps(body) and "anthropic" not in str(here.received().headers).lower()


@pytest.mark.parametrize("api", FORMATS)
async def test_a_tool_that_is_insisted_on(serve: Serve, api: FormatName) -> None:
    """A choice names the function as the provider knows it, and the call comes back under its own name."""
    here = await served(serve, api)
    choice = {"type": "tool", "name": "mcp__acme.tickets__list/all"}
    asked = request(here.agent, {"role": "user", "content": "List."}, tool_choice=choice, thinking={"type": "disabled"})
    read, _ = await said(here, asked)
    assert [name for _, name, _ in read.calls] == [choice["name"]]


@pytest.mark.parametrize(("model", "effort"), [("gpt-4o", None), ("gpt-5", "high"), ("gpt-5.2", "xhigh")])
@pytest.mark.parametrize("api", FORMATS)
async def test_thinking_is_what_the_model_can_do(serve: Serve, api: FormatName, model: str, effort: str | None) -> None:
    """A model that cannot think answers without; others get the nearest effort that they know."""
    here = await served(serve, api, model)
    await said(here, request(here.agent, {"role": "user", "content": "Think."}))
    body = here.received_json()
    assert (body.get("reasoning_effort") or body.get("reasoning", {}).get("effort")) == effort


async def test_too_many_functions_are_refused_by_name(serve: Serve) -> None:
    """More functions than OpenAI takes are refused before they are sent, so that a chain goes on to its next target."""
    here = await served(serve, "openai-responses")
    tools = [{"name": f"t{index}", "input_schema": {"type": "object"}} for index in range(129)]
    asked = request(here.agent, {"role": "user", "content": "Go."}, tools=tools)
    answer = await here.http.post(f"{here.base_url}/messages", json=asked, headers=HEADERS)
    assert answer.status_code == 400 and "128 functions" in answer.json()["error"]["message"]
    assert len(here.standin.requests) == 0


@pytest.mark.parametrize("api", FORMATS)
async def test_with_anthropics_sdk(serve: Serve, api: FormatName) -> None:
    """The SDK that Claude Code is built on streams a session of the same shape through to its end."""
    here = await served(serve, api)
    found = (await run("with_claude_code.py", here))[here.agent]
    assert found == {"called": LONG_TOOL, "stop": "tool_use", "after": True, "parallel": ["Read", "mcp__clock__now"]}
