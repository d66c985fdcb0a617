"""Parameters of chat completions as the fields of a `Prompt`: a client's, and those that an agent's version sets.

Each is a field, a hint (it changes nothing about the answer: who asks, what is cached, how fast) or an extra.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import CallerError
from gateway.formats import values
from gateway.formats.prompt import Effort, OutputShape, ToolChoice, ToolSpec, Untranslatable
from gateway.formats.settings import Settings
from routing.agents import AgentVersion

Fields = dict[str, Any]
_Read = Callable[[Any, str], Fields]

EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh")

HINTS = frozenset(
    {
        "user", "safety_identifier", "metadata", "store", "service_tier", "prediction",
        "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
    }
)  # fmt: skip

_MODES: Mapping[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "none": ToolChoice("none"),
    "required": ToolChoice("required"),
}

# What asks for nothing when it says this: every format answers so anyway.
_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "n": (1,), "logit_bias": ({},), "modalities": (["text"], []), "functions": ([],), "function_call": ("auto", "none"),
    "verbosity": ("medium",), "extra_body": ({},),
    # of vLLM and other servers
    "top_k": (-1, 0), "min_p": (0, 0.0), "repetition_penalty": (1, 1.0), "chat_template_kwargs": ({},),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters, sorted: fields of a Prompt by name, and the others by their own names."""

    fields: Fields
    hints: dict[str, Any]
    extras: dict[str, Any]


def sort(parameters: Mapping[str, Any]) -> Parameters:
    """A client's parameters. Raises CallerError for those that are not what they should be; null is not set."""
    sorted_ = Parameters({}, {}, {})
    for name, value in parameters.items():
        if value is None or _asks_nothing(name, value):
            continue
        if name in _FIELDS:
            sorted_.fields.update(_FIELDS[name](value, name))
        else:
            (sorted_.hints if name in HINTS else sorted_.extras)[name] = value
    if "reasoning_effort" in sorted_.fields:  # an effort that no field knows
        sorted_.extras["reasoning_effort"] = sorted_.fields.pop("reasoning_effort")
    return sorted_


def read(parameters: Mapping[str, str]) -> tuple[Fields, Fields]:
    """A version's parameters, by name as JSON texts: fields of a Prompt, and members that no field stands for.

    What is not of the type it should be is such a member too: the provider says what is wrong with it.
    """
    fields: Fields = {}
    native: Fields = {}
    for name, text in parameters.items():
        value = json.loads(text)
        found = _quietly(name, value)
        (native if found is None else fields).update({name: value} if found is None else found)
    return fields, native


def settings(version: AgentVersion) -> Settings:
    """A version's part in requests of any format, less its prompt."""
    defaults = {name: text for name, text in version.parameters.items() if name in version.client_may_set}
    fixed, native = read({name: text for name, text in version.parameters.items() if name not in defaults})
    lenient, more = read(defaults)
    return Settings(
        tools=tuple(tool(json.loads(each.definition), "tools") for each in version.tools),
        fixed=fixed,
        defaults=lenient,
        native={**more, **native},
    )


def tool(value: object, param: str) -> ToolSpec:
    """A tool's definition. Raises Untranslatable for a tool that is no function."""
    definition = values.members(value, param)
    if definition.get("type", "function") != "function":
        message = f"{param}: only tools of type function can be sent to providers of other formats; leave this one out"
        raise Untranslatable(message, param=param)
    function = values.members(definition.get("function"), f"{param}.function")
    schema, strict = function.get("parameters"), function.get("strict")
    return ToolSpec(
        values.text(function.get("name"), f"{param}.function.name"),
        values.optional_text(function, "description", f"{param}.function"),
        None if schema is None else values.members(schema, f"{param}.function.parameters"),
        None if strict is None else values.flag(strict, f"{param}.function.strict"),
        cache=bool(definition.get("cache_control")),
    )


def _asks_nothing(name: str, value: Any) -> bool:
    return any(type(value) is type(nothing) and value == nothing for nothing in _NOTHING.get(name, ()))


def _quietly(name: str, value: Any) -> Fields | None:
    """The fields of one parameter of a version, None where it has none. Null takes a client's value away."""
    if name not in _FIELDS:
        return None
    if value is None:
        return _UNSET.get(name)
    try:
        found = _FIELDS[name](value, name)
    except CallerError:
        return None
    return None if "reasoning_effort" in found else found


def _as_field(field: str, reader: Callable[[Any, str], Any]) -> _Read:
    return lambda value, param: {field: reader(value, param)}


def _stop(value: Any, param: str) -> Fields:
    return {"stop": (value,) if isinstance(value, str) else values.each(value, param, values.text)}


def _effort(value: Any, param: str) -> Fields:
    effort = values.text(value, param)
    return {"effort" if effort in EFFORTS else "reasoning_effort": effort}


def _reasoning(value: Any, param: str) -> Fields:
    """OpenRouter's `reasoning`: an effort or a limit of tokens, and whether the thoughts are to be left out."""
    reasoning = values.members(value, param)
    fields: Fields = {}
    if (effort := reasoning.get("effort")) is not None:
        fields["effort"] = values.one_of(effort, f"{param}.effort", EFFORTS)
    if (budget := reasoning.get("max_tokens")) is not None:
        fields["thinking_budget"] = values.whole(budget, f"{param}.max_tokens")
    if (exclude := reasoning.get("exclude")) is not None:
        fields["wants_thoughts"] = not values.flag(exclude, f"{param}.exclude")
    if (enabled := reasoning.get("enabled")) is not None and not values.flag(enabled, f"{param}.enabled"):
        fields["effort"] = "none"
    return fields


def _tool_choice(value: Any, param: str) -> Fields:
    if isinstance(value, str):
        return {"tool_choice": _MODES[values.one_of(value, param, _MODES)]}
    choice = values.members(value, param)
    if choice.get("type") != "function":
        raise Untranslatable(f"{param}: only auto, none, required or one function can be asked for", param=param)
    function = values.members(choice.get("function"), f"{param}.function")
    return {"tool_choice": ToolChoice("one", values.text(function.get("name"), f"{param}.function.name"))}


def _response_format(value: Any, param: str) -> Fields:
    kind = values.one_of(values.members(value, param).get("type"), f"{param}.type", _OUTPUTS)
    return {"output": _OUTPUTS[kind](value, param)}


def _json_schema(value: Any, param: str) -> OutputShape:
    param = f"{param}.json_schema"
    wanted = values.members(value.get("json_schema"), param)
    strict, schema = wanted.get("strict"), wanted.get("schema")
    return OutputShape(
        {} if schema is None else values.members(schema, f"{param}.schema"),
        values.optional_text(wanted, "name", param),
        values.optional_text(wanted, "description", param),
        None if strict is None else values.flag(strict, f"{param}.strict"),
    )


def _stream_options(value: Any, param: str) -> Fields:
    wanted = values.members(value, param).get("include_usage")
    return {} if wanted is None else {"wants_usage": values.flag(wanted, f"{param}.include_usage")}


_OUTPUTS: Mapping[str, Callable[[Any, str], OutputShape | None]] = {
    "text": lambda _value, _param: None,
    "json_object": lambda _value, _param: OutputShape(),
    "json_schema": _json_schema,
}
_FIELDS: Mapping[str, _Read] = {
    "max_tokens": _as_field("max_tokens", values.whole),
    "max_completion_tokens": _as_field("max_tokens", values.whole),
    "temperature": _as_field("temperature", values.number),
    "top_p": _as_field("top_p", values.number),
    "top_k": _as_field("top_k", values.whole),
    "stop": _stop,
    "seed": _as_field("seed", values.whole),
    "presence_penalty": _as_field("presence_penalty", values.number),
    "frequency_penalty": _as_field("frequency_penalty", values.number),
    "logprobs": _as_field("logprobs", values.flag),
    "top_logprobs": _as_field("top_logprobs", values.whole),
    "parallel_tool_calls": _as_field("parallel_tools", values.flag),
    "tools": _as_field("tools", lambda value, param: values.each(value, param, tool)),
    "tool_choice": _tool_choice,
    "response_format": _response_format,
    "reasoning_effort": _effort,
    "reasoning": _reasoning,
    "stream": _as_field("stream", values.flag),
    "stream_options": _stream_options,
}
# What a version's null leaves of a client's value.
_UNSET: Mapping[str, Fields] = {
    "max_tokens": {"max_tokens": None},
    "max_completion_tokens": {"max_tokens": None},
    "temperature": {"temperature": None},
    "top_p": {"top_p": None},
    "top_k": {"top_k": None},
    "stop": {"stop": ()},
    "seed": {"seed": None},
    "presence_penalty": {"presence_penalty": None},
    "frequency_penalty": {"frequency_penalty": None},
    "logprobs": {"logprobs": None},
    "top_logprobs": {"top_logprobs": None},
    "parallel_tool_calls": {"parallel_tools": None},
    "tool_choice": {"tool_choice": None},
    "response_format": {"output": None},
    "reasoning_effort": {"effort": None},
    "reasoning": {"effort": None, "thinking_budget": None},
}
