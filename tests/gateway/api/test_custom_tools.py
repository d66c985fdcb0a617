"""Tools whose input is text (`custom`), as Codex has for patches, at providers that have only functions."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.calling import PROVIDERS, Place

Serve = Callable[..., Awaitable[Place]]
TRANSLATED = [api for api in PROVIDERS if api != "openai-responses"]
PATCH: dict[str, Any] = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch hunk+ end_patch"},
}
ASK: Any = [{"role": "user", "content": "call apply_patch"}]


@pytest.mark.parametrize("api", TRANSLATED)
async def test_a_call_and_its_result(serve: Serve, api: str) -> None:
    """The client gets a `custom_tool_call` with text; both come back to the provider as a function's."""
    here = await serve(api=api)
    client = here.sdk()
    said = await client.responses.create(model=here.agent, input=ASK, tools=[PATCH])  # type: ignore[list-item]
    (call,) = said.output
    assert call.type == "custom_tool_call" and call.name == "apply_patch" and call.input == ""
    sent = here.received().raw_body.decode()
    assert "lark grammar" in sent and '"custom"' not in sent
    result = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "patched"}
    turns: Any = [*ASK, {**call.model_dump(exclude_none=True), "input": "*** Begin"}, result]
    after = await client.responses.create(model=here.agent, input=turns, tools=[PATCH])  # type: ignore[list-item]
    assert after.output_text
    sent = here.received().raw_body.decode()
    assert "*** Begin" in sent and "patched" in sent


@pytest.mark.parametrize("api", TRANSLATED)
async def test_a_streamed_call(serve: Serve, api: str) -> None:
    """Its text comes at once, when it is whole, in the events that this API has for it."""
    here = await serve(api=api)
    tools: Any = [PATCH]
    stream = await here.sdk().responses.create(model=here.agent, input=ASK, tools=tools, stream=True)
    events = [event async for event in stream]
    kinds = [event.type for event in events]
    assert "response.custom_tool_call_input.done" in kinds and not [kind for kind in kinds if "function_call" in kind]
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [(item.type, item.status) for item in done] == [("custom_tool_call", "completed")]  # type: ignore[union-attr]


@pytest.mark.parametrize("api", TRANSLATED)
async def test_it_can_be_insisted_on(serve: Serve, api: str) -> None:
    """By name, and among allowed tools."""
    here = await serve(api=api)
    for choice in (
        {"type": "custom", "name": "apply_patch"},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "apply_patch"}]},
    ):
        asked: Any = {"model": here.agent, "input": "hello", "tools": [PATCH], "tool_choice": choice}
        said = await here.sdk().responses.create(**asked)
        assert [item.type for item in said.output] == ["custom_tool_call"], choice
