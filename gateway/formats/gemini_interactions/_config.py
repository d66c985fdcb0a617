"""Settings of a request: `generation_config`, functions and the answer's shape; read and written."""

from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from gateway.formats import values
from gateway.formats.prompt import Effort, OutputShape, Prompt, ToolChoice, ToolSpec, Untranslatable

Json = dict[str, Any]

# The member of `generation_config` that each field of a prompt stands for.
MEMBERS: Mapping[str, str] = {
    "max_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop": "stop_sequences",
    "seed": "seed",
    "effort": "thinking_level",
    "thinking_budget": "thinking_level",
    "wants_thoughts": "thinking_summaries",
    "tool_choice": "tool_choice",
}
UNSAYABLE = ("top_k", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")
CONFIG = "generation_config"
PREFIX = f"{CONFIG}."
_EFFORTS: frozenset[str] = frozenset(get_args(Effort))
# Every model takes these three; some take `minimal` or `xhigh` too, and none can be told not to think at all.
_LEVELS: Mapping[Effort, str] = {
    "none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high",
}  # fmt: skip
_BUDGETS: tuple[tuple[int, str], ...] = ((2048, "low"), (8192, "medium"))  # up to how many tokens; more is `high`
_MOST_STOPS = 5
_SEEDS = range(-(2**31), 2**31)
_OF_A_FUNCTION = frozenset({"type", "name", "description", "parameters", "short_description"})
_JSON = "application/json"
_MODES = ("auto", "any", "none", "validated")


def read_config(value: object, extras: Json) -> Json:
    """Fields of a prompt; `allowed` are the names of functions that may be called, where the client names several."""
    fields: Json = {}
    for name, each in values.members(value, CONFIG).items():
        if each is None:
            continue
        if name in _READERS:
            fields |= _READERS[name](each, PREFIX + name, extras)
        elif each not in ({}, []):
            extras[PREFIX + name] = each
    return fields


def read_tools(value: object, extras: Json) -> tuple[ToolSpec, ...]:
    """The functions among the tools; those that run at Google go to `extras`. Raises CallerError."""
    specs: list[ToolSpec] = []
    for index, each in enumerate(values.items(value, "tools")):
        param = f"tools[{index}]"
        tool = values.members(each, param)
        kind = values.text(tool.get("type"), f"{param}.type")
        if kind != "function":
            extras[f"tools.{kind}"] = tool
            continue
        extras.update({f"tools.{name}": tool[name] for name in tool.keys() - _OF_A_FUNCTION if tool[name]})
        schema = tool.get("parameters")
        specs.append(
            ToolSpec(
                values.text(tool.get("name"), f"{param}.name"),
                values.optional_text(tool, "description", param),
                None if schema is None else values.members(schema, f"{param}.parameters"),
            )
        )
    return tuple(specs)


def read_output(value: object, extras: Json) -> OutputShape | None:
    """The shape that `response_format` asks for: a format, a list of them, or a bare JSON schema."""
    found: OutputShape | None = None
    for each in value if isinstance(value, list) else [value]:
        wanted = values.members(each, "response_format")
        kind = wanted.get("type")
        if kind == "text":
            found = _text_format(wanted) or found
        elif kind in ("image", "audio", "video"):
            extras["response_format"] = value
        elif wanted:
            found = OutputShape(wanted)
    return found


def write_tool(tool: ToolSpec) -> Json:
    """Write one function."""
    written: Json = {"type": "function", "name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.schema is not None:
        written["parameters"] = tool.schema
    return written


def write_output(output: OutputShape) -> Json:
    """Write one `response_format`."""
    written: Json = {"type": "text", "mime_type": _JSON}
    if output.schema is not None:
        described = {"description": output.description} if output.description else {}
        written["schema"] = {**described, **output.schema}
    return written


def write_config(prompt: Prompt) -> Json:
    """`generation_config`, empty where the prompt sets nothing. Raises Untranslatable."""
    check(prompt)
    config: Json = {}
    for name in ("max_tokens", "temperature", "top_p", "seed"):
        if (value := getattr(prompt, name)) is not None:
            config[MEMBERS[name]] = value
    if prompt.stop:
        config["stop_sequences"] = list(prompt.stop)
    if (level := level_of(prompt.effort, prompt.thinking_budget)) is not None:
        config["thinking_level"] = level
    if prompt.wants_thoughts is not None:
        config["thinking_summaries"] = "auto" if prompt.wants_thoughts else "none"
    if (choice := write_choice(prompt)) is not None:
        config["tool_choice"] = choice
    return config


def write_choice(prompt: Prompt) -> Any:
    """`tool_choice`, None where the model may choose. Raises Untranslatable."""
    choice = prompt.tool_choice
    if not prompt.tools:
        if choice and choice.mode in ("required", "one"):
            raise Untranslatable("there is no function to insist on; name one in tools", param="tool_choice")
        return None
    if choice and choice.mode == "none":
        return "none"
    if prompt.parallel_tools is False:
        message = "Gemini cannot be kept from calling functions in parallel; leave parallel_tool_calls out"
        raise Untranslatable(message, param="parallel_tool_calls")
    if choice and choice.mode == "one":
        return {"allowed_tools": {"mode": "any", "tools": [choice.name]}}
    if choice and choice.mode == "required":
        return "any"
    if any(tool.strict for tool in prompt.tools):
        return "validated"
    return "auto" if choice else None


def level_of(effort: Effort | None, budget: int | None) -> str | None:
    """Return `thinking_level`: this API has no budgets, so that a budget is the nearest level."""
    if effort is not None:
        return _LEVELS[effort]
    return None if budget is None else next((level for most, level in _BUDGETS if budget <= most), "high")


def check(prompt: Prompt) -> None:
    """Raise Untranslatable for settings that this API does not have."""
    for field in UNSAYABLE:
        if getattr(prompt, field):  # a penalty of 0 is none
            raise unsayable(field)
    if len(prompt.stop) > _MOST_STOPS:
        raise Untranslatable(f"Gemini takes up to {_MOST_STOPS} stop sequences, not {len(prompt.stop)}", param="stop")
    if prompt.seed is not None and prompt.seed not in _SEEDS:
        raise Untranslatable("Gemini's seeds have 32 bits; use a smaller one", param="seed")


def unsayable(name: str) -> Untranslatable:
    """Return the error of a field that this API does not have."""
    return Untranslatable(f"Gemini's Interactions API has no equivalent of {name}; leave it out", param=name)


def _text_format(wanted: Mapping[str, Any]) -> OutputShape | None:
    mime, schema = values.optional_text(wanted, "mime_type", "response_format"), wanted.get("schema")
    if schema is not None:
        return OutputShape(values.members(schema, "response_format.schema"))
    return OutputShape() if mime == _JSON else None


def _as(field: str, read: Callable[[Any, str], Any]) -> Callable[[Any, str, Json], Json]:
    return lambda value, param, _extras: {field: read(value, param)}


def _stop(value: Any, param: str, _extras: Json) -> Json:
    return {"stop": values.each([value] if isinstance(value, str) else value, param, values.text)}


def _level(value: Any, param: str, extras: Json) -> Json:
    level = values.text(value, param)
    if level in _EFFORTS:
        return {"effort": level}
    extras[param] = level
    return {}


def _summaries(value: Any, param: str, _extras: Json) -> Json:
    return {"wants_thoughts": values.one_of(value, param, ("auto", "none")) == "auto"}


def _choice(value: Any, param: str, _extras: Json) -> Json:
    if isinstance(value, str):
        return _mode(value, param, ())
    allowed = values.members(value, param).get("allowed_tools")
    if allowed is None:
        return {}
    members = values.members(allowed, f"{param}.allowed_tools")
    names = values.each(members.get("tools") or [], f"{param}.allowed_tools.tools", values.text)
    return _mode(members.get("mode", "auto"), f"{param}.allowed_tools.mode", names)


def _mode(value: Any, param: str, names: tuple[str, ...]) -> Json:
    mode = values.one_of(value, param, _MODES)
    if mode == "any" and len(names) == 1:
        return {"tool_choice": ToolChoice("one", names[0])}
    plain = {"any": "required", "validated": "auto"}.get(mode, mode)
    fields: Json = {"tool_choice": ToolChoice(cast(Any, plain)), "strict": mode == "validated"}
    return {**fields, "allowed": frozenset(names)} if names else fields


_READERS: Mapping[str, Callable[[Any, str, Json], Json]] = {
    "max_output_tokens": _as("max_tokens", values.whole),
    "temperature": _as("temperature", values.number),
    "top_p": _as("top_p", values.number),
    "seed": _as("seed", values.whole),
    "stop_sequences": _stop,
    "thinking_level": _level,
    "thinking_summaries": _summaries,
    "tool_choice": _choice,
}
