"""Put a version into a client's own Messages request; all other members stay as they came."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.formats.anthropic.provider_request import LIMITS, sampling
from gateway.formats.callids import CallIds
from gateway.formats.claude.models import ClaudeModel, model
from gateway.formats.claude.thinking import Thinking, thinking
from gateway.formats.claude.tooling import choice_members, native_format, tool
from gateway.formats.prompt import Prompt, Untranslatable
from gateway.formats.settings import Settings
from gateway.formats.tools import merge_tools
from gateway.json_body import Document, array, elements, encode

Changes = dict[str, str | None]

_SAMPLING = ("temperature", "top_p", "top_k", "stop")
_OF_THREADS = ("system", "tools")
_THINKING = ("effort", "thinking_budget")
_MEMBERS = {"stop": "stop_sequences", "parallel_tools": "tool_choice"}
# Written for a client of this format from another's thoughts: the API takes no thought that it has not signed.
_UNSIGNED = re.compile(r'"signature"\s*:\s*""')


def amend(document: Document, settings: Settings, name: str) -> Changes:
    """The members that a version changes, as JSON texts; None takes out. Raises Untranslatable as `write` does."""
    takes = model(name)
    fixed = {**_unset_defaults(document, settings), **(settings.fixed or {})}
    changed: Changes = {"model": encode(name), **_parameters(document, fixed, takes)}
    if settings.system is not None:
        changed["system"] = _system(settings.system, document)
    if "tools" in fixed:
        changed["tools"] = array([encode(tool(spec, takes)) for spec in fixed["tools"]])
    if settings.tools:
        changed["tools"] = merge_tools([(each.name, encode(tool(each, takes))) for each in settings.tools], document)
    if (history := _history(document)) is not None:
        changed["messages"] = history
    if settings.turns and not _continues_thread(document):
        own = [encode({"role": turn.role, "content": turn.content}) for turn in settings.turns]
        changed["messages"] = array([*own, *elements(changed.get("messages") or document.texts["messages"])])
    for member, value in (settings.native or {}).items():
        changed[member] = encode(_laid_over(document.values.get(member), value))
    if _continues_thread(document):  # which holds these already, as the version had them
        return {name: text for name, text in changed.items() if name not in _OF_THREADS}
    return changed


def _continues_thread(document: Document) -> bool:
    """Return whether the request goes on from a thread that Anthropic keeps."""
    thread = document.values.get("thread")
    return isinstance(thread, dict) and thread.get("type") == "continue"


def _unset_defaults(document: Document, settings: Settings) -> dict[str, Any]:
    """The defaults of which the client has said nothing."""
    return {name: value for name, value in (settings.defaults or {}).items() if not _is_set(document, name)}


def _is_set(document: Document, name: str) -> bool:
    values = document.values
    config = values.get("output_config")
    config = config if isinstance(config, dict) else {}
    if name in (*_THINKING, "wants_thoughts"):
        return values.get("thinking") is not None or config.get("effort") is not None
    if name == "output":
        return config.get("format") is not None
    return values.get(_MEMBERS.get(name, name)) is not None


def _parameters(document: Document, fixed: Mapping[str, Any], takes: ClaudeModel) -> Changes:
    fields = {name: value for name, value in fixed.items() if name not in ("stream", "wants_usage")}
    prompt = replace(Prompt(messages=(), max_tokens=_limit(document)), **fields)
    changed: Changes = {}
    if "max_tokens" in fields:
        limit = takes.max_tokens if prompt.max_tokens is None else prompt.max_tokens  # the API insists on one
        changed["max_tokens"] = encode(limit)
    thoughts = thinking(prompt, takes) if not {*_THINKING}.isdisjoint(fields) else None
    members = sampling(prompt, takes, thoughts or Thinking())
    for name in _SAMPLING:
        if name in fields:
            changed[_MEMBERS.get(name, name)] = _text(members.get(_MEMBERS.get(name, name)))
    if "tool_choice" in fields or "parallel_tools" in fields:
        changed["tool_choice"] = _text(_choice(document, prompt, fields))
    if thoughts is None and "wants_thoughts" in fields:
        changed |= _display(document, prompt)
    if thoughts is not None:
        changed["thinking"] = _text(thoughts.config)
        if thoughts.budget and prompt.max_tokens is None:
            changed["max_tokens"] = encode(takes.max_tokens + thoughts.budget)
    return changed | _output_config(document, prompt, fields, takes, thoughts)


def _limit(document: Document) -> int | None:
    limit = document.values.get("max_tokens")
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else None


def _display(document: Document, prompt: Prompt) -> Changes:
    """Return the change that shows or hides thoughts, as the client asks."""
    theirs = document.values.get("thinking")
    if not isinstance(theirs, dict) or theirs.get("type") not in ("enabled", "adaptive"):
        return {}
    return {"thinking": encode({**theirs, "display": "summarized" if prompt.wants_thoughts else "omitted"})}


def _choice(document: Document, prompt: Prompt, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The version's choice; where it sets one half of the member only, the other stays the client's."""
    theirs = document.values.get("tool_choice")
    theirs = theirs if isinstance(theirs, dict) else {}
    if "tool_choice" in fields:
        kept = False if theirs.get("disable_parallel_tool_use") is True else None
        return choice_members(prompt.tool_choice, prompt.parallel_tools if "parallel_tools" in fields else kept)
    rest = {name: value for name, value in theirs.items() if name != "disable_parallel_tool_use"}
    if prompt.parallel_tools is False and rest.get("type") != "none":
        return {"type": "auto", **rest, "disable_parallel_tool_use": True}
    return rest or None


def _output_config(
    document: Document, prompt: Prompt, fields: Mapping[str, Any], takes: ClaudeModel, thoughts: Thinking | None
) -> Changes:
    if thoughts is None and "output" not in fields:
        return {}
    theirs = document.values.get("output_config")
    config = dict(theirs) if isinstance(theirs, dict) else {}
    if thoughts is not None:
        config["effort"] = thoughts.effort
    if "output" in fields:
        config["format"] = native_format(prompt.output, takes) if prompt.output else None
        if prompt.output and config["format"] is None:
            message = "the version's response_format is no schema that this model can be held to"
            raise Untranslatable(message, param="response_format")
    config = {name: value for name, value in config.items() if value is not None}
    return {"output_config": encode(config) if config else None}


def _system(text: str, document: Document) -> str:
    """The version's prompt, then the client's: as a list of blocks, so that the client's keep their marks."""
    own = encode({"type": "text", "text": text})
    theirs = document.values.get("system")
    if isinstance(theirs, str) and theirs.strip():
        return array([own, f'{{"type":"text","text":{document.texts["system"]}}}'])
    if isinstance(theirs, list):
        return array([own, *elements(document.texts["system"])])
    return array([own])


def _history(document: Document) -> str | None:
    """The conversation without thoughts that nobody signed, and with ids of calls that the API takes; None as it is.

    Both come from other providers, to which an earlier turn had moved.
    """
    text, messages = document.texts.get("messages", ""), document.values.get("messages")
    made = messages
    if _UNSIGNED.search(text):
        made = _without_unsigned(made)
    if '"tool_use' in text and isinstance(made, list):
        ids = CallIds(LIMITS)
        made = [_with_fit_ids(message, ids) for message in made]
    return None if made == messages else encode(made)


def _with_fit_ids(message: Any, ids: CallIds) -> Any:
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    if message.get("role") == "assistant":
        ids.next_turn()
    return {**message, "content": [_with_fit_id(block, ids) for block in message["content"]]}


def _with_fit_id(block: Any, ids: CallIds) -> Any:
    if not isinstance(block, dict):
        return block
    if block.get("type") == "tool_use" and isinstance(own := block.get("id"), str):
        return {**block, "id": ids.call(own)}
    if block.get("type") == "tool_result" and isinstance(own := block.get("tool_use_id"), str):
        return {**block, "tool_use_id": ids.result(own)}
    return block


def _without_unsigned(messages: Any) -> Any:
    if not isinstance(messages, list):
        return messages
    kept = [_signed_only(message) for message in messages]
    return [message for message in kept if not (isinstance(message, dict) and message.get("content") == [])]


def _signed_only(message: Any) -> Any:
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    return {**message, "content": [block for block in message["content"] if not _is_unsigned(block)]}


def _is_unsigned(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and block.get("signature") == ""


def _laid_over(there: Any, value: Any) -> Any:
    return {**there, **value} if isinstance(there, dict) and isinstance(value, dict) else value


def _text(value: Any) -> str | None:
    return None if value is None else encode(value)
