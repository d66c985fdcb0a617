"""Facts of a request that its answer is held to: the tools that it offers, and the JSON that it asks for.

A request of any format is read by its own client side, without its conversation, under what the version adds. What
cannot be read is not judged: the provider has answered it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import CallerError
from gateway.formats.applied import AppliedVersion
from gateway.formats.prompt import Prompt
from gateway.formats.protocol import ClientSide
from gateway.formats.settings import overlay
from gateway.tool_use import short
from policies.behaviours.behaviours import OfferedTools, WantedJson

# Members that may bring tools whose names the request does not tell.
_HIDES_TOOLS = ("tools", "functions", "prompt", "cachedContent", "mcp_servers", "container", "agent", "plugins")
_CONTINUES = ("previous_", "conversation")  # these may, where the request names no tools of its own
_SAID = "."  # in place of the conversation
_UNKNOWN = OfferedTools(are_all=False)


@dataclass(frozen=True, slots=True)
class AskedFacts:
    """Facts of a request that its answer is held to. By default nothing is known."""

    tools: OfferedTools = _UNKNOWN
    json: WantedJson | None = field(default=None)


def asked_facts(client: ClientSide, values: Mapping[str, Any], applied: AppliedVersion) -> AskedFacts:
    """Return what a client's request asks for, with what the version adds to it. Never raises."""
    layout = client.facts.conversation
    try:
        prompt = overlay(client.prompt({**values, layout.member: [layout.message(_SAID)]}), applied.settings)
    except CallerError:
        return AskedFacts()
    return AskedFacts(_offered(prompt), None if prompt.output is None else WantedJson(prompt.output.schema))


def _offered(prompt: Prompt) -> OfferedTools:
    hiding = _HIDES_TOOLS if prompt.tools else (*_HIDES_TOOLS, *_CONTINUES)
    return OfferedTools(
        {short(tool.name): tool.schema for tool in prompt.tools},
        frozenset(short(tool.name) for tool in prompt.tools if tool.is_text),
        not any(name.startswith(hiding) for name in prompt.extras),
    )
