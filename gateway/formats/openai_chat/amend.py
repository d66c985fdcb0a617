"""Apply the agent's version to a client's chat completion for an OpenAI-compatible provider.

The version is authoritative: its model, parameters and tools replace what the client sent, but for what it lists
under `client_may_set`; its system prompt comes first. Everything else goes on as it came.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from gateway.calls import Call
from gateway.formats.applied import ALIASES, AppliedVersion
from gateway.formats.callids import CallIds
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.limits import FormatLimits
from gateway.formats.openai_chat._limits import known_host
from gateway.formats.openai_chat._quirks import OPENAI_HINTS, Quirks, quirks
from gateway.formats.openai_chat._systems import count_leading, is_text, system_changes
from gateway.formats.openai_chat.provider_request import write_choice, write_parameters, write_tool
from gateway.formats.prompt import Prompt
from gateway.formats.settings import Settings
from gateway.formats.tools import merge_tools
from gateway.json_body import Document, array, elements, encode
from gateway.net.client import Request
from routing.agents import Target

PATH = "/chat/completions"
_INCLUDE_USAGE = '{"include_usage":true}'

# What a field of a Prompt may be called in a request; others are called as the field is.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "seed": ("seed", "random_seed"),
    "parallel_tools": ("parallel_tool_calls",),
    "output": ("response_format",),
    "effort": ("reasoning_effort", "reasoning"),
    "thinking_budget": ("reasoning_effort", "reasoning"),
    "wants_thoughts": ("reasoning",),
}


def chat_request(
    call: Call, applied: AppliedVersion, endpoint: ProviderEndpoint, target: Target, asks_usage: bool = True
) -> Request:
    """The request of one attempt. `asks_usage` says whether the provider takes the question for a stream's usage."""
    path = endpoint.base_path + PATH
    if call.query:
        path = f"{path}?{call.query}"
    known = quirks(endpoint.origin.host, target.model)
    changed = changes(call.document, applied, target.model, call.stream and asks_usage and known.asks_usage)
    if known.one_system:
        joined = system_changes(call.document, applied.prompt)
        if joined is not None:
            changed["messages"] = joined
    if known.is_closed:
        _fit_to_closed(call.document, changed, known)
    body = call.document.render(changed)
    return endpoint.request(path, call.headers, body)


def _fit_to_closed(document: Document, changed: dict[str, str | None], known: Quirks) -> None:
    """Name members as the host does, and leave out the hints that it refuses."""
    for name, own in known.renames:
        text = changed[name] if name in changed else document.texts.get(name)
        if name in document.texts or name in changed:
            changed[name] = None
        if text is not None and changed.get(own) is None:
            changed[own] = text
    for name in (OPENAI_HINTS - known.hints).intersection(document.texts.keys() | changed.keys()):
        changed[name] = None
    if not known.asks_usage and "stream_options" in document.texts:
        changed["stream_options"] = None


def changes(document: Document, applied: AppliedVersion, model: str, stream: bool) -> dict[str, str | None]:
    """The members of the client's request that the version sets, as JSON texts."""
    changed: dict[str, str | None] = {"model": _encoded_name(model), **applied.fixed}
    for name, text in applied.defaults.items():
        if name not in document.texts and ALIASES.get(name) not in document.texts:
            changed[name] = text
    if applied.turns:
        changed["messages"] = with_turns(applied.system, applied.turns, document)
    elif applied.system is not None:
        changed["messages"] = prepend(applied.system, document.texts["messages"])
    if applied.tools:
        changed["tools"] = merge_tools([(tool.name, tool.definition) for tool in applied.tools], document, _tool_name)
    if stream:
        changed["stream_options"] = with_usage(document)
    return changed


def amend(document: Document, settings: Settings, model: str, host: str) -> dict[str, str | None]:
    """Return the members that a version changes in a client's request: `ProviderSide.amend` at a known host."""
    known = quirks(host, model)
    fixed, defaults = settings.fixed or {}, _left_out(document, settings.defaults or {})
    changed: dict[str, str | None] = {name: None for field in fixed for name in _spellings(field)}
    changed |= {"model": encode(model), **_encoded(_members({**defaults, **fixed}, known))}
    changed |= _encoded(settings.native or {})
    system = None if settings.system is None else encode({"role": "system", "content": settings.system})
    if settings.turns:
        turns = [encode({"role": turn.role, "content": turn.content}) for turn in settings.turns]
        changed["messages"] = with_turns(system, ",".join(turns), document)
    elif system is not None:
        changed["messages"] = prepend(system, document.texts["messages"])
    if settings.tools:
        own = [(tool.name, encode(write_tool(tool))) for tool in settings.tools]
        changed["tools"] = merge_tools(own, document, _tool_name)
    if document.values.get("stream") is True and known.asks_usage:
        changed["stream_options"] = with_usage(document)
    return changed


@lru_cache(maxsize=256)  # the models of a configuration
def _encoded_name(model: str) -> str:
    return encode(model)


def prepend(message: str, messages: str) -> str:
    """The messages with one more before them, all as JSON texts."""
    if messages[1] == "{":  # as compact encoders write it
        return f"[{message},{messages[1:]}"
    rest = messages[1:].lstrip()
    return f"[{message}{rest}" if rest.startswith("]") else f"[{message},{rest}"


def with_turns(system: str | None, turns: str, document: Document) -> str:
    """The messages with a version's before them; its turns stand behind the client's leading system messages."""
    texts = elements(document.texts["messages"])
    leading = count_leading(document.values["messages"])
    own = [] if system is None else [system]
    return array([*own, *texts[:leading], turns, *texts[leading:]])


def _tool_name(tool: Any) -> str | None:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def with_usage(document: Document) -> str:
    """The client's stream options with usage asked for: the books need it; what nobody asked for is stripped again."""
    options = document.values.get("stream_options")
    if not isinstance(options, dict) or not options:
        return _INCLUDE_USAGE
    if "include_usage" in options:
        return encode({**options, "include_usage": True})
    return f'{{"include_usage":true,{document.texts["stream_options"][1:]}'


_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_SIGNATURE = "extra_content"


def fitted_history(document: Document, host: str, model: str, *, moved: bool) -> Document:
    """The request as that provider can take it; the very same where there is nothing to change.

    `moved` says that the version was written for a provider of another format, so that what was thought is not of a
    provider like this one. Otherwise only hosts that are known to refuse thoughts are spared them.
    """
    is_spared, known, is_one_text = _needs(host, model, moved)
    if known is None and not is_spared and not is_one_text:
        return document
    messages: list[Any] = document.values["messages"]
    text = document.texts["messages"]
    made = messages
    if is_spared and ('"reasoning' in text or f'"{_SIGNATURE}"' in text):
        made = [_without_thoughts(message) for message in made]
    if known is not None and '"tool_call' in text:
        ids = CallIds(known)
        made = [_with_fit_ids(message, ids) for message in made]
    if is_one_text and '"type"' in text:
        made = [_with_one_text(message) for message in made]
    if made is messages or [*map(id, made)] == [*map(id, messages)]:
        return document
    texts = zip(made, messages, elements(text), strict=True)
    kept = array([source if message is own else encode(message) for message, own, source in texts])
    return Document({**document.values, "messages": made}, {**document.texts, "messages": kept})


@lru_cache(maxsize=256)  # the targets of a configuration
def _needs(host: str, model: str, moved: bool) -> tuple[bool, FormatLimits | None, bool]:
    """Return whether a target is spared thoughts, the limits of its call ids, if any, and whether it needs one text."""
    asked = quirks(host, model)
    is_spared = (moved or asked.refuses_thoughts) and not (asked.thoughts or asked.signatures)
    return is_spared, known_host(host), asked.one_text


def _with_one_text(message: Any) -> Any:
    """The message itself; written anew where its content is a list of texts."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or not all(map(is_text, content)):
        return message
    return {**message, "content": "\n\n".join([part["text"] for part in content])}


def _with_fit_ids(message: Any, ids: CallIds) -> Any:
    """The message with the ids of its calls, or of the call that it answers, as the provider takes them."""
    if not isinstance(message, dict):
        return message
    if isinstance(answered := message.get("tool_call_id"), str):
        fitted = ids.result(answered)
        return message if fitted == answered else {**message, "tool_call_id": fitted}
    if not isinstance(calls := message.get("tool_calls"), list):
        return message
    ids.next_turn()
    fitted_calls = [_with_fit_id(call, ids) for call in calls]
    return message if fitted_calls == calls else {**message, "tool_calls": fitted_calls}


def _with_fit_id(call: Any, ids: CallIds) -> Any:
    own = call.get("id") if isinstance(call, dict) else None
    return {**call, "id": ids.call(own)} if isinstance(own, str) else call


def _without_thoughts(message: Any) -> Any:
    """The message itself, written anew only where something is left out of it."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return message
    said = {name: value for name, value in message.items() if name not in _THOUGHTS}
    calls = said.get("tool_calls")
    if isinstance(calls, list):
        said["tool_calls"] = [_unsigned(call) for call in calls]
    return message if said == message else said


def _unsigned(call: Any) -> Any:
    return {name: value for name, value in call.items() if name != _SIGNATURE} if isinstance(call, dict) else call


def _left_out(document: Document, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the client has left out, under any of their names."""
    return {name: value for name, value in fields.items() if document.texts.keys().isdisjoint(_spellings(name))}


def _spellings(field: str) -> tuple[str, ...]:
    return _SPELLINGS.get(field, (field,))


def _members(fields: Mapping[str, Any], known: Quirks) -> dict[str, Any]:
    prompt = Prompt((), **fields)
    members = write_parameters(prompt, replace(known, top_k=True))
    if prompt.tool_choice is not None:
        members["tool_choice"] = write_choice(prompt.tool_choice)
    if prompt.parallel_tools is not None:
        members["parallel_tool_calls"] = prompt.parallel_tools
    return members


def _encoded(members: Mapping[str, Any]) -> dict[str, str]:
    return {name: encode(value) for name, value in members.items()}
