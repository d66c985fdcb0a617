"""Thinking of Claude: a token budget for older models, an effort for current ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.formats.anthropic import NAME
from gateway.formats.claude.models import ClaudeModel
from gateway.formats.prompt import Effort, Prompt, Reasoning, ToolCall, Untranslatable

_LEAST_BUDGET = 1024  # the API refuses less

# What an effort comes to in tokens, for models that think by budget.
_BUDGETS: Mapping[Effort, int] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
_EFFORTS: Mapping[Effort, str] = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


@dataclass(frozen=True, slots=True)
class Thinking:
    """The members `thinking` and `output_config.effort`, None where nothing is to be said, and the budget in tokens."""

    config: dict[str, Any] | None = None
    effort: str | None = None
    budget: int = 0


def thinking(prompt: Prompt, model: ClaudeModel) -> Thinking:
    """Return the members that ask for thinking. Raises Untranslatable for what the model cannot do."""
    if prompt.effort == "none" or prompt.thinking_budget == 0:
        return _off(prompt, model)
    if prompt.effort is None and prompt.thinking_budget is None:
        shown = model.unasked and prompt.wants_thoughts is not None
        return Thinking(_shown({"type": "adaptive"}, prompt)) if shown else Thinking()
    if model.thinks == "never":
        if prompt.may_not_think:
            return Thinking()
        message = "this model does not think; leave reasoning_effort out or choose a newer model"
        raise Untranslatable(message, param="reasoning_effort")
    return _by_budget(prompt) if model.thinks == "budget" else _by_effort(prompt, model)


def _off(prompt: Prompt, model: ClaudeModel) -> Thinking:
    if model.always and prompt.may_not_think:
        return Thinking(effort="low")
    if model.always:
        message = "this model always thinks; ask for reasoning_effort 'low', or leave it out"
        raise Untranslatable(message, param="reasoning_effort")
    return Thinking() if model.thinks == "never" else Thinking({"type": "disabled"})


def _by_effort(prompt: Prompt, model: ClaudeModel) -> Thinking:
    effort = prompt.effort or _effort_of(prompt.thinking_budget or 0)
    return Thinking(_shown({"type": "adaptive"}, prompt), _EFFORTS.get(effort, model.top_effort))


def _effort_of(budget: int) -> Effort:
    """The least effort whose budget is not smaller; -1 is how some formats write that the model decides."""
    if budget < 0:
        return "high"  # what the API does by itself
    return next((effort for effort, most in _BUDGETS.items() if budget <= most), "xhigh")


def _by_budget(prompt: Prompt) -> Thinking:
    if _in_a_foreign_loop(prompt):
        return Thinking()
    wanted = prompt.thinking_budget if prompt.thinking_budget is not None else _BUDGETS[prompt.effort or "high"]
    budget = max(_BUDGETS["high"] if wanted < 0 else wanted, _LEAST_BUDGET)
    if prompt.max_tokens is not None:
        if prompt.max_tokens <= _LEAST_BUDGET:
            if prompt.may_not_think:
                return Thinking()
            message = f"thinking takes at least {_LEAST_BUDGET} tokens of max_tokens; allow more or do not think"
            raise Untranslatable(message, param="max_tokens")
        # A fifth is left for the answer, where that is possible.
        budget = min(budget, max(prompt.max_tokens * 4 // 5, _LEAST_BUDGET))
    return Thinking(_shown({"type": "enabled", "budget_tokens": budget}, prompt), budget=budget)


def _in_a_foreign_loop(prompt: Prompt) -> bool:
    """Return whether functions are being answered that were called without a thought of ours.

    The API takes no budget in such a turn: a thought of its own must stand before the calls.
    """
    for message in reversed(prompt.messages):
        if message.role == "assistant":
            called = any(isinstance(part, ToolCall) for part in message.parts)
            return called and not any(isinstance(part, Reasoning) and part.signed_by == NAME for part in message.parts)
    return False


def _shown(config: dict[str, Any], prompt: Prompt) -> dict[str, Any]:
    if prompt.wants_thoughts is False:
        return {**config, "display": "omitted"}
    if prompt.wants_thoughts and config["type"] == "adaptive":  # older models show them anyway
        return {**config, "display": "summarized"}
    return config
