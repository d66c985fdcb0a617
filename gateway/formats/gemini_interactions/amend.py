"""Put a version into a client's own request: JSON texts of the members that change, and no others.

A version's prompt and tools go with every turn: a stored interaction keeps what was said, and no settings.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.errors import CallerError
from gateway.formats.fit import fitted_tool
from gateway.formats.gemini_interactions._config import (
    CONFIG,
    MEMBERS,
    UNSAYABLE,
    unsayable,
    write_config,
    write_output,
    write_tool,
)
from gateway.formats.gemini_interactions._content import is_content
from gateway.formats.gemini_interactions._terms import PREVIOUS
from gateway.formats.gemini_interactions.client_request import check_spelling, refuse_ours
from gateway.formats.gemini_interactions.provider_request import LIMITS
from gateway.formats.prompt import Prompt, ToolSpec, Untranslatable
from gateway.formats.settings import Settings
from gateway.formats.tools import merge_tools
from gateway.json_body import Document, array, elements, encode
from routing.agents import PromptMessage

_CHOOSING = frozenset({"tool_choice", "parallel_tools"})
Changes = dict[str, str | None]


def amend(document: Document, settings: Settings, model: str) -> Changes:
    """Return the changed members; None takes one out. Raises CallerError, Untranslatable where it cannot be said."""
    given = document.values
    check_spelling(given)
    refuse_ours(given)
    is_agent = given.get("agent") is not None  # an agent of Google's runs by `agent_config` alone
    changed: Changes = {"agent" if is_agent else "model": encode(model)}
    if settings.system:
        changed["system_instruction"] = _instruction(settings.system, document)
    if settings.turns and not given.get(PREVIOUS):
        changed["input"] = _input(settings.turns, document)
    if settings.tools:
        own = [(tool.name, encode(write_tool(fitted_tool(tool, LIMITS)))) for tool in settings.tools]
        changed["tools"] = merge_tools(own, document, _function_name)
    config = _config(document, settings)
    if config is not None:
        if is_agent:
            message = "an agent of Google's takes no generation_config: leave the version's parameters out"
            raise Untranslatable(message, param="agent")
        changed[CONFIG] = encode(config) if config else None
    _put_output(changed, document, settings)
    for name, value in (settings.native or {}).items():
        _put_native(changed, document, name, value)
    return changed


def _instruction(system: str, document: Document) -> str:
    """The version's system prompt, then the client's in its own spelling."""
    own = document.values.get("system_instruction")
    if own is None or own == "":
        return encode(system)
    if not isinstance(own, str):
        raise CallerError("system_instruction must be text", param="system_instruction")
    return encode(f"{system}\n\n")[:-1] + document.texts["system_instruction"][1:]


def _input(turns: tuple[PromptMessage, ...], document: Document) -> str:
    """The version's turns as steps, then the client's."""
    kinds = {"assistant": "model_output", "user": "user_input"}
    own = [encode({"type": kinds[t.role], "content": [{"type": "text", "text": t.content}]}) for t in turns]
    return array([*own, *_steps(document.values.get("input"), document.texts.get("input", ""))])


def _steps(given: Any, text: str) -> list[str]:
    """The client's input as steps; blocks of content, and text alone, are what a user said."""
    if isinstance(given, list):
        if not any(isinstance(each, Mapping) and is_content(each.get("type")) for each in given):
            return elements(text)
        return [f'{{"type":"user_input","content":{text}}}']
    if isinstance(given, str):
        return [f'{{"type":"user_input","content":[{{"type":"text","text":{text}}}]}}']
    if isinstance(given, Mapping):
        return [f'{{"type":"user_input","content":[{text}]}}' if is_content(given.get("type")) else text]
    return []


def _config(document: Document, settings: Settings) -> dict[str, Any] | None:
    """The client's `generation_config` with what the version sets in it; None where it sets nothing."""
    client = document.values.get(CONFIG)
    if not isinstance(client, dict | None):
        raise CallerError(f"{CONFIG} must be an object", param=CONFIG)
    given = {name: value for name, value in (client or {}).items() if value is not None}
    fields = {name: value for name, value in (settings.defaults or {}).items() if MEMBERS.get(name) not in given}
    fields |= settings.fixed or {}
    for name in UNSAYABLE:
        if fields.get(name) not in (None, (), 0, 0.0, False):
            raise unsayable(name)
    names = fields.keys() & {*MEMBERS, "parallel_tools"}
    strict = "tool_choice" not in given and any(tool.strict for tool in settings.tools)
    if not names and not strict:
        return None
    some = settings.tools or ((ToolSpec("any"),) if document.values.get("tools") else ())
    asks = names & _CHOOSING or strict
    set_ = write_config(replace(Prompt((), some if asks else ()), **{name: fields[name] for name in names}))
    gone = {MEMBERS[name] for name in names & MEMBERS.keys()}
    return {**{name: value for name, value in given.items() if name not in gone}, **set_}


def _put_output(changed: Changes, document: Document, settings: Settings) -> None:
    fixed, defaults = settings.fixed or {}, settings.defaults or {}
    is_set = any(document.values.get(name) is not None for name in ("response_format", "response_mime_type"))
    if "output" in fixed:
        output = fixed["output"]
    elif "output" in defaults and not is_set:
        output = defaults["output"]
    else:
        return
    changed["response_format"] = None if output is None else encode(write_output(output))
    if "response_mime_type" in document.values:
        changed["response_mime_type"] = None


def _put_native(changed: Changes, document: Document, name: str, value: Any) -> None:
    """Set a member of the API's own; an object is merged over the client's."""
    there = document.values.get(name)
    if name == CONFIG and (text := changed.get(name)) is not None:
        there = Document.parse(text.encode()).values
    laid = {**there, **value} if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    changed[name] = encode(laid)


def _function_name(tool: Any) -> str | None:
    name = tool.get("name") if isinstance(tool, dict) and tool.get("type") == "function" else None
    return name if isinstance(name, str) else None
