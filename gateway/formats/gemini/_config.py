"""A prompt's settings as Gemini's: `generationConfig`, and which function may be called."""

from collections.abc import Mapping
from typing import Any

from gateway.formats.gemini._models import before_three, thinks_always
from gateway.formats.prompt import Effort, Media, OutputShape, Prompt, ToolSpec, Untranslatable

# The members of `generationConfig` that each field of a prompt stands for.
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("maxOutputTokens",),
    "temperature": ("temperature",),
    "top_p": ("topP",),
    "top_k": ("topK",),
    "stop": ("stopSequences",),
    "seed": ("seed",),
    "presence_penalty": ("presencePenalty",),
    "frequency_penalty": ("frequencyPenalty",),
    "logprobs": ("responseLogprobs",),
    "top_logprobs": ("logprobs",),
    "output": ("responseMimeType", "responseSchema", "responseJsonSchema"),
}
THINKING: Mapping[str, tuple[str, ...]] = {
    "effort": ("thinkingLevel", "thinkingBudget"),
    "thinking_budget": ("thinkingLevel", "thinkingBudget"),
    "wants_thoughts": ("includeThoughts",),
}
_MOST_STOPS = 5
_SEEDS = range(-(2**31), 2**31)
# Google's own table for its chat completions ("OpenAI compatibility"). Every Gemini 3 takes LOW and HIGH, only some
# take MINIMAL, and none can be told not to think at all.
_LEVELS: Mapping[Effort, str] = {
    "none": "LOW", "minimal": "LOW", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH",
}  # fmt: skip
_BUDGETS: Mapping[Effort, int] = {
    "none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576,
}  # fmt: skip
_LEAST_BUDGET = 128  # where thinking cannot be turned off


def generation_config(prompt: Prompt, model: str) -> dict[str, Any]:
    """`generationConfig`, empty where the prompt sets nothing. Raises Untranslatable."""
    _check(prompt)
    config: dict[str, Any] = {}
    for name, members in MEMBERS.items():
        value = getattr(prompt, name)
        if name != "output" and value is not None and value != ():
            config[members[0]] = list(value) if isinstance(value, tuple) else value
    if prompt.output is not None:
        config |= _output(prompt.output)
    if thinking := thinking_config(prompt, model):
        config["thinkingConfig"] = thinking
    if _wants_little_detail(prompt):
        config["mediaResolution"] = "MEDIA_RESOLUTION_LOW"
    return config


def thinking_config(prompt: Prompt, model: str) -> dict[str, Any]:
    """Return `thinkingConfig`: a level from Gemini 3 on, a token budget before.

    A budget is passed on as it is where no effort is named.
    """
    thinking: dict[str, Any] = {}
    if prompt.effort and not before_three(model):
        thinking["thinkingLevel"] = _LEVELS[prompt.effort]
    elif prompt.thinking_budget is not None:
        thinking["thinkingBudget"] = prompt.thinking_budget
    elif prompt.effort:
        budget = _BUDGETS[prompt.effort]
        thinking["thinkingBudget"] = max(budget, _LEAST_BUDGET) if thinks_always(model) else budget
    if prompt.wants_thoughts is not None:
        thinking["includeThoughts"] = prompt.wants_thoughts
    return thinking


def calling_config(prompt: Prompt) -> dict[str, Any]:
    """`functionCallingConfig`, empty where the model may choose. Raises Untranslatable."""
    choice = prompt.tool_choice
    if not prompt.tools:
        if choice and choice.mode in ("required", "one"):
            raise Untranslatable("there is no function to insist on; name one in tools", param="tool_choice")
        return {}
    if choice and choice.mode == "none":
        return {"mode": "NONE"}
    if prompt.parallel_tools is False:
        message = "Gemini cannot be kept from calling functions in parallel; leave parallel_tool_calls out"
        raise Untranslatable(message, param="parallel_tool_calls")
    if choice and choice.mode == "one":
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    if choice and choice.mode == "required":
        return {"mode": "ANY"}
    if any(tool.strict for tool in prompt.tools):
        return {"mode": "VALIDATED"}
    return {"mode": "AUTO"} if choice else {}


def declaration(tool: ToolSpec) -> dict[str, Any]:
    """Return one entry of `functionDeclarations`."""
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.schema is not None:
        written["parametersJsonSchema"] = tool.schema
    return written


def _output(output: OutputShape) -> dict[str, Any]:
    written: dict[str, Any] = {"responseMimeType": "application/json"}
    if output.schema is not None:
        described = {"description": output.description} if output.description else {}
        written["responseJsonSchema"] = {**described, **output.schema}
    return written


def _check(prompt: Prompt) -> None:
    if len(prompt.stop) > _MOST_STOPS:
        raise Untranslatable(f"Gemini takes up to {_MOST_STOPS} stop sequences, not {len(prompt.stop)}", param="stop")
    if prompt.seed is not None and prompt.seed not in _SEEDS:
        raise Untranslatable("Gemini's seeds have 32 bits; use a smaller one", param="seed")


def _wants_little_detail(prompt: Prompt) -> bool:
    """Return whether all images are to be seen coarsely: Gemini has one resolution for all, and the finer is its
    default."""
    images = [part for message in prompt.messages for part in message.parts if isinstance(part, Media)]
    return bool(images) and all(image.detail == "low" for image in images)
