"""Fits a prompt to what its provider takes: spelling of ids and names, lengths of hints, shapes of schemas.

What fits is left as it is. What can be said in another way is: names of functions are mapped, and mapped back in the
answer. What cannot is refused by name, before anything is sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from gateway.formats import schemas
from gateway.formats.callids import CallIds
from gateway.formats.limits import MEDIA_TYPES, METADATA_MEMBERS, METADATA_NAME, METADATA_VALUE, FormatLimits, Spelling
from gateway.formats.prompt import (
    Effort,
    Media,
    Message,
    OutputShape,
    Part,
    Prompt,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Untranslatable,
)

_VERBOSITY = "verbosity"
_VERBOSITIES: Mapping[str, str] = {
    "low": "Answer as briefly as the question allows.",
    "high": "Answer in full detail.",
}
_ORDER: Sequence[Effort] = ("none", "minimal", "low", "medium", "high", "xhigh")


class Fitted(NamedTuple):
    """The prompt as the provider takes it. `names` are the client's names of functions, by those that are sent."""

    prompt: Prompt
    names: Mapping[str, str]


def fit(prompt: Prompt, limits: FormatLimits) -> Fitted:
    """The prompt within those limits. Raises Untranslatable and names the field that cannot be fitted."""
    prompt = prompt if limits.verbosity else _with_verbosity_in_words(prompt)
    _check_counts(prompt, limits)
    sent = _sent_names(_names(prompt), limits)
    ids = CallIds(limits)
    choice = prompt.tool_choice
    if choice is not None and choice.name in sent:
        choice = replace(choice, name=sent[choice.name])
    fitted = replace(
        prompt,
        messages=tuple(_message(message, ids, sent, limits) for message in prompt.messages),
        tools=tuple(replace(fitted_tool(tool, limits), name=sent.get(tool.name, tool.name)) for tool in prompt.tools),
        tool_choice=choice,
        output=None if prompt.output is None else _output(prompt.output, limits),
        max_tokens=None if prompt.max_tokens is None else min(prompt.max_tokens, limits.max_tokens),
        hints=_hints(prompt.hints, limits),
    )
    return Fitted(_wished_thinking(fitted, limits), {name: own for own, name in sent.items()})


def _with_verbosity_in_words(prompt: Prompt) -> Prompt:
    """Return the prompt with its `verbosity` as a sentence behind the system messages."""
    sentence = _VERBOSITIES.get(str(prompt.extras.get(_VERBOSITY)))
    if sentence is None:
        return prompt
    led = next((at for at, each in enumerate(prompt.messages) if each.role != "system"), len(prompt.messages))
    messages = (*prompt.messages[:led], Message("system", (Text(sentence),)), *prompt.messages[led:])
    extras = {name: value for name, value in prompt.extras.items() if name != _VERBOSITY}
    return replace(prompt, messages=messages, extras=extras)


def _check_counts(prompt: Prompt, limits: FormatLimits) -> None:
    if len(prompt.tools) > limits.tools:
        message = f"this provider takes up to {limits.tools} functions, not {len(prompt.tools)}"
        raise Untranslatable(message, param="tools")
    if len(prompt.stop) > limits.stops:
        message = f"this provider takes up to {limits.stops} stop sequences, not {len(prompt.stop)}"
        raise Untranslatable(message, param="stop")


def _names(prompt: Prompt) -> Iterator[str]:
    """Every name of a function that the prompt says."""
    yield from (tool.name for tool in prompt.tools)
    for message in prompt.messages:
        yield from (part.name for part in message.parts if isinstance(part, ToolCall | ToolResult) and part.name)
    if prompt.tool_choice is not None and prompt.tool_choice.mode == "one":
        yield prompt.tool_choice.name


def _sent_names(names: Iterator[str], limits: FormatLimits) -> dict[str, str]:
    """Map each name that does not fit to the one that is sent, no two of them the same."""
    spelling, reserved = limits.tool_name, limits.reserved
    listed = list(dict.fromkeys(names))
    used = {name for name in listed if name not in reserved and spelling.takes(name)}
    sent: dict[str, str] = {}
    for name in listed:
        if name in used:
            continue
        repetition = int(name in reserved)
        while (fitted := spelling.fit(name, repetition)) in used or fitted in reserved:
            repetition += 1
        used.add(fitted)
        sent[name] = fitted
    return sent


def _message(message: Message, ids: CallIds, sent: Mapping[str, str], limits: FormatLimits) -> Message:
    if message.role == "assistant":
        ids.next_turn()
    return replace(message, parts=tuple(_part(part, ids, sent, limits) for part in message.parts))


def _part(part: Part, ids: CallIds, sent: Mapping[str, str], limits: FormatLimits) -> Part:
    match part:
        case ToolCall():
            return replace(part, id=ids.call(part.id), name=sent.get(part.name, part.name))
        case ToolResult():
            shown = tuple(_media(each, limits) if isinstance(each, Media) else each for each in part.parts)
            return replace(part, call_id=ids.result(part.call_id), name=sent.get(part.name, part.name), parts=shown)
        case Media():
            return _media(part, limits)
    return part


def _media(media: Media, limits: FormatLimits) -> Media:
    mime = media.mime.partition(";")[0].strip().lower()
    mime = MEDIA_TYPES.get(mime, mime)
    if limits.images is not None and media.kind == "image" and media.data and mime and mime not in limits.images:
        taken = ", ".join(sorted(limits.images))
        raise Untranslatable(f"images of type {mime!r} are not taken here; send {taken}", param="messages")
    return media if mime == media.mime else replace(media, mime=mime)


def fitted_tool(tool: ToolSpec, limits: FormatLimits) -> ToolSpec:
    """A function whose schema has the shape that the provider takes. Raises Untranslatable where it cannot."""
    schema, strict = tool.schema, tool.strict
    if schema is not None:
        schema = _schema(schema, limits)
        if limits.object_root:
            schema = {"type": "object", **schemas.resolved_root(schema)}
            if not schemas.is_plain_object(schema):
                message = (
                    f"the parameters of {tool.name!r} must be one object here, without anyOf, oneOf, allOf or enum"
                )
                raise Untranslatable(message, param="tools")
            schema = schemas.whole(schema)
    if strict and limits.closed_strict and (schema is None or not schemas.is_closed(schema)):
        strict = False
    return replace(tool, schema=schema, strict=strict)


def _output(output: OutputShape, limits: FormatLimits) -> OutputShape:
    name = output.name and limits.tool_name.fit(output.name)
    if output.schema is None:
        return replace(output, name=name)
    schema = _schema(output.schema, limits)
    strict = output.strict
    if limits.closed_strict:
        schema = schemas.resolved_root(schema)
        if not schemas.is_plain_object(schema):
            message = "the model can be held to JSON objects only; wrap the schema into an object"
            raise Untranslatable(message, param="response_format")
        strict = False if strict and not schemas.is_closed(schema) else strict
    return replace(output, name=name, schema=schema, strict=strict)


def _schema(schema: Mapping[str, Any], limits: FormatLimits) -> Mapping[str, Any]:
    if limits.whole_objects:
        schema = schemas.whole(schema)
    return schemas.with_lone_refs(schemas.resolved_root(schema)) if limits.lone_refs else schema


def _hints(hints: Mapping[str, Any], limits: FormatLimits) -> dict[str, Any]:
    """A hint that is too long becomes its digest; one that the provider would refuse is left out."""
    fitted: dict[str, Any] = {}
    for name, value in hints.items():
        longest = limits.hints.get(name)
        taken = limits.hint_values.get(name)
        if longest is not None and not (isinstance(value, str) and value):
            continue
        if taken is not None and not (isinstance(value, str) and value in taken):
            continue
        if name == "metadata" and limits.hints and not _is_metadata(value):
            continue
        fitted[name] = value if longest is None else Spelling(longest).fit(value)
    return fitted


def _is_metadata(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= METADATA_MEMBERS
        and all(len(name) <= METADATA_NAME for name in value)
        and all(isinstance(each, str) and len(each) <= METADATA_VALUE for each in value.values())
    )


def _wished_thinking(prompt: Prompt, limits: FormatLimits) -> Prompt:
    """A wish for thoughts as far as the model can think."""
    if not prompt.may_not_think or limits.efforts is None:
        return prompt
    if not limits.efforts:
        return replace(prompt, effort=None, thinking_budget=None, wants_thoughts=None)
    if prompt.effort is None or prompt.effort in limits.efforts:
        return prompt
    wanted = _ORDER.index(prompt.effort)
    nearest = min(limits.efforts, key=lambda each: (abs(_ORDER.index(each) - wanted), _ORDER.index(each)))
    return replace(prompt, effort=nearest)
