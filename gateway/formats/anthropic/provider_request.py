"""Write a request to a provider of the Messages API from a prompt in no format."""

from typing import Any

from gateway.formats.anthropic._turns import system, turns
from gateway.formats.claude.models import ClaudeModel, model
from gateway.formats.claude.thinking import Thinking, thinking
from gateway.formats.claude.tooling import OUTPUT_TOOL, Tooling, tooling
from gateway.formats.limits import WORD, FormatLimits, Spelling
from gateway.formats.prompt import Prompt, Untranslatable

PATH = "/messages"
LIMITS = FormatLimits(
    call_id=Spelling(characters=WORD),
    unique_ids=True,
    tool_name=Spelling(128, WORD),
    reserved=frozenset({OUTPUT_TOOL}),
    hints={"user": 256, "safety_identifier": 256},
)

_LEAST_TOP_P_THINKING = 0.95


def write(prompt: Prompt, name: str) -> dict[str, Any]:
    """Return the request's body. Raises Untranslatable and names the field that this API, or this model, cannot say."""
    takes = model(name)
    _refuse_extras(prompt)
    thoughts = thinking(prompt, takes)
    tools = tooling(prompt, takes, thoughts)
    body: dict[str, Any] = {"model": name, "max_tokens": max_tokens(prompt, takes, thoughts)}
    if blocks := system(prompt.messages):
        body["system"] = blocks
    body["messages"] = turns(prompt.messages, takes)
    body |= _tool_members(tools) | sampling(prompt, takes, thoughts) | _thinking_members(thoughts, tools)
    if user := _user(prompt):
        body["metadata"] = {"user_id": user}
    if prompt.stream:
        body["stream"] = True
    return body


def max_tokens(prompt: Prompt, model: ClaudeModel, thoughts: Thinking) -> int:
    """The limit that the API insists on: the client's, or the model's default and what it may think besides."""
    if prompt.max_tokens is None:
        return model.max_tokens + thoughts.budget
    if prompt.max_tokens < 1:
        raise Untranslatable("max_tokens must be at least 1", param="max_tokens")
    return prompt.max_tokens


def sampling(prompt: Prompt, model: ClaudeModel, thoughts: Thinking) -> dict[str, Any]:
    """The members that say how to draw tokens, and where to stop. What asks for the default is not said."""
    _refuse_unknown(prompt)
    members: dict[str, Any] = {}
    if prompt.temperature not in (None, 1):
        members["temperature"] = _temperature(prompt.temperature or 0.0)
    if prompt.top_p not in (None, 1):
        members["top_p"] = prompt.top_p
    if prompt.top_k is not None:
        members["top_k"] = prompt.top_k
    _check_sampling(members, model, thoughts)
    if prompt.stop:
        members["stop_sequences"] = _stop_sequences(prompt.stop)
    return members


def _temperature(value: float) -> float:
    if not 0 <= value <= 1:
        raise Untranslatable(f"temperature is {value}; this provider takes 0 to 1", param="temperature")
    return value


def _stop_sequences(stop: tuple[str, ...]) -> list[str]:
    if not all(text.strip() for text in stop):
        raise Untranslatable("a stop sequence of white space alone is not accepted here", param="stop")
    return list(stop)


def _check_sampling(members: dict[str, Any], model: ClaudeModel, thoughts: Thinking) -> None:
    if not members:
        return
    if not model.samples:
        name = next(iter(members))
        raise Untranslatable(f"{name}: this model takes no sampling parameters; leave it out", param=name)
    if "temperature" in members and "top_p" in members and not model.samples_both:
        message = "this model takes temperature or top_p, not both; leave one out"
        raise Untranslatable(message, param="top_p")
    if not thoughts.budget:
        return
    for name in members:
        if name != "top_p" or members[name] < _LEAST_TOP_P_THINKING:
            message = f"{name}: this model cannot be tuned while it thinks; leave it out or ask for no reasoning_effort"
            raise Untranslatable(message, param=name)


def _refuse_unknown(prompt: Prompt) -> None:
    asked = {
        "seed": prompt.seed is not None,
        "presence_penalty": bool(prompt.presence_penalty),
        "frequency_penalty": bool(prompt.frequency_penalty),
        "logprobs": bool(prompt.logprobs),
        "top_logprobs": bool(prompt.top_logprobs),
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise Untranslatable(f"{name} is not known to this provider; leave it out", param=name)


def _refuse_extras(prompt: Prompt) -> None:
    for name in prompt.extras:
        raise Untranslatable(f"{name} has no equivalent at this provider; leave it out", param=name)


def _tool_members(tools: Tooling) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if tools.tools:
        members["tools"] = tools.tools
        if tools.choice is not None:
            members["tool_choice"] = tools.choice
    return members


def _thinking_members(thoughts: Thinking, tools: Tooling) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if thoughts.config is not None and not (tools.must_call and thoughts.effort):  # the effort alone is taken
        members["thinking"] = thoughts.config
    output = {"effort": thoughts.effort, "format": tools.format}
    if config := {name: value for name, value in output.items() if value is not None}:
        members["output_config"] = config
    return members


def _user(prompt: Prompt) -> str:
    """An opaque id of who asks, where the client gave one."""
    user = prompt.hints.get("safety_identifier") or prompt.hints.get("user")
    return user if isinstance(user, str) else ""
