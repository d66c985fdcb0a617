"""Write a request to Converse from a prompt in no format.

What Claude takes, and how it is asked to think, to call and to keep to a schema, is what the `messages` format knows;
it is put into Converse's words here. Other models get what they have in common, and what is known of Nova and gpt-oss.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from gateway.formats.anthropic import NAME as CLAUDE
from gateway.formats.anthropic.provider_request import max_tokens, sampling
from gateway.formats.bedrock import NAME
from gateway.formats.bedrock._turns import CACHE_POINT, write_conversation
from gateway.formats.claude.models import model as known_model
from gateway.formats.claude.thinking import Thinking, thinking
from gateway.formats.claude.tooling import OUTPUT_TOOL, Tooling, tooling
from gateway.formats.limits import WORD, FormatLimits, Spelling
from gateway.formats.prompt import Effort, Message, OutputShape, Prompt, Reasoning, ToolCall, Untranslatable
from gateway.json_body import encode

Members = dict[str, Any]

LIMITS = FormatLimits(
    call_id=Spelling(64, WORD), unique_ids=True, tool_name=Spelling(64, WORD), reserved=frozenset({OUTPUT_TOOL})
)

_NO_CALL = "Do not call any function in this turn."
_CACHING = ("claude", "nova")
_TIERS = ("priority", "default", "flex", "reserved")
# Where a model that is not Claude wants its effort, and what it calls each.
_THINKING: Mapping[str, str] = {"nova-2": "maxReasoningEffort", "gpt-oss": "reasoning_effort"}
_EFFORTS: Mapping[Effort, str] = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
# Up to so many tokens of thought are that effort.
_BUDGETS: tuple[tuple[int, Effort], ...] = ((0, "none"), (2048, "low"), (8192, "medium"))


def path(model: str, stream: bool) -> str:
    """Return the path of a request; model ids hold colons, ARNs slashes too."""
    return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"


def write(prompt: Prompt, model: str) -> Members:
    """Return the request's body. Raises Untranslatable and names the field that Converse, or this model, cannot say."""
    for name in prompt.extras:
        raise Untranslatable(f"{name} has no equivalent at this provider; leave it out", param=name)
    claude = "claude" in model
    takes = known_model(model)
    thoughts = thinking(_as_claudes(prompt), takes) if claude else Thinking()
    tools = tooling(prompt, takes, thoughts)
    cache = any(name in model for name in _CACHING)
    system, messages = write_conversation(prompt.messages, cache)
    config, system = _tool_config(prompt, tools, cache, system)
    drawn = sampling(prompt, takes, thoughts)
    limit = max_tokens(prompt, takes, thoughts) if prompt.max_tokens is not None or thoughts.budget else None
    members: Members = {
        "messages": messages,
        "system": system,
        "inferenceConfig": _inference(drawn, limit),
        "toolConfig": config,
        "outputConfig": _output(prompt, tools, thoughts),
        "additionalModelRequestFields": _additional(prompt, model, drawn, thoughts)
        | _one_at_a_time(prompt, model, tools),
        "additionalModelResponseFieldPaths": ["/stop_sequence"] if claude and prompt.stop else None,
        "serviceTier": _tier(prompt),
    }
    return {name: value for name, value in members.items() if value}


def _as_claudes(prompt: Prompt) -> Prompt:
    """The prompt with thoughts that Bedrock has signed as Claude's own, which they are."""

    def ours(message: Message) -> Message:
        parts = tuple(
            replace(part, signed_by=CLAUDE) if isinstance(part, Reasoning) and part.signed_by == NAME else part
            for part in message.parts
        )
        return replace(message, parts=parts)

    return replace(prompt, messages=tuple(ours(message) for message in prompt.messages))


def _inference(drawn: Members, limit: int | None) -> Members:
    said = {
        "maxTokens": limit,
        "temperature": drawn.get("temperature"),
        "topP": drawn.get("top_p"),
        "stopSequences": drawn.get("stop_sequences"),
    }
    return {name: value for name, value in said.items() if value is not None}


def _tool_config(prompt: Prompt, tools: Tooling, cache: bool, system: list[Members]) -> tuple[Members, list[Members]]:
    """The member `toolConfig`, and `system` with what Converse has no other word for: that nothing is to be called."""
    choice = tools.choice or {}
    nothing: Members = {}
    if choice.get("type") == "none":
        if not _has_calls(prompt):
            return nothing, system
        system = [*system, {"text": _NO_CALL}]
    if not tools.tools:
        return nothing, system
    config: Members = {"tools": [spec for tool in tools.tools for spec in _spec(tool, cache)]}
    if (chosen := _chosen(choice)) and not _wants_one(prompt):
        config["toolChoice"] = chosen
    return config, system


def _spec(tool: Members, cache: bool) -> list[Members]:
    said = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
    spec: Members = {"toolSpec": {**said, "inputSchema": {"json": tool["input_schema"]}}}
    return [spec, CACHE_POINT] if cache and "cache_control" in tool else [spec]


def _chosen(choice: Members) -> Members | None:
    """`toolChoice`; None where the model decides, which not every model lets one say."""
    if choice.get("type") == "tool":
        return {"tool": {"name": choice["name"]}}
    return {"any": {}} if choice.get("type") == "any" else None


def _has_calls(prompt: Prompt) -> bool:
    return any(isinstance(part, ToolCall) for message in prompt.messages for part in message.parts)


def _output(prompt: Prompt, tools: Tooling, thoughts: Thinking) -> Members:
    members: Members = {"effort": thoughts.effort} if thoughts.effort else {}
    if tools.format is not None:
        output = prompt.output or OutputShape()
        described = {"name": output.name, "description": output.description}
        named = {name: value for name, value in described.items() if value}
        schema = {"schema": encode(tools.format["schema"]), **named}
        members["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return members


def _additional(prompt: Prompt, model: str, drawn: Members, thoughts: Thinking) -> Members:
    """Return the members that only some models have."""
    members: Members = {"thinking": thoughts.config} if thoughts.config else {}
    if "claude" not in model:
        members |= _effort(prompt, model)
    if "top_k" in drawn:
        members |= _top_k(drawn["top_k"], model)
    return members


def _top_k(top_k: int, model: str) -> Members:
    if "claude" in model:
        return {"top_k": top_k}
    if "nova" in model:
        return {"inferenceConfig": {"topK": top_k}}
    raise Untranslatable("top_k is not known to this model; leave it out", param="top_k")


def _one_at_a_time(prompt: Prompt, model: str, tools: Tooling) -> Members:
    """Claude's own `tool_choice`, in place of `toolChoice`, which cannot say that only one function is to be called."""
    if not _wants_one(prompt) or tools.choice is None or tools.choice["type"] == "none":
        return {}
    if "claude" not in model:
        message = "this model cannot be kept to one function at a time; leave parallel_tool_calls out"
        raise Untranslatable(message, param="parallel_tool_calls")
    return {"tool_choice": tools.choice}


def _wants_one(prompt: Prompt) -> bool:
    return prompt.parallel_tools is False and bool(prompt.tools)


def _effort(prompt: Prompt, model: str) -> Members:
    """Return how long a model other than Claude is to think."""
    effort, budget = prompt.effort, prompt.thinking_budget
    if effort is None and budget is not None:
        effort = "high" if budget < 0 else next((name for most, name in _BUDGETS if budget <= most), "high")
    if effort in (None, "none"):
        return {}
    member = next((member for name, member in _THINKING.items() if name in model), None)
    if member is None and prompt.may_not_think:
        return {}
    if member is None:
        message = "this model is not known to think; leave reasoning_effort out"
        raise Untranslatable(message, param="reasoning_effort")
    said = {member: _EFFORTS[effort]}
    return said if member == "reasoning_effort" else {"reasoningConfig": {"type": "enabled", **said}}


def _tier(prompt: Prompt) -> Members | None:
    tier = prompt.hints.get("service_tier")
    return {"type": tier} if tier in _TIERS else None
