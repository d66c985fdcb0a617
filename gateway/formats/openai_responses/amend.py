"""Put a version into a client's own Responses request: JSON texts of the members that change, and no others."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.errors import CallerError
from gateway.formats.marks import is_ours, is_sealed
from gateway.formats.openai_responses._tools import write_choice, write_output, write_tool
from gateway.formats.openai_responses.client_request import CONTINUING, LOGPROBS, NOTHING_SAID, refuse_ours
from gateway.formats.openai_responses.provider_request import FEWEST_TOKENS, LIMITS, UNSAYABLE, effort_of, unsayable
from gateway.formats.settings import Settings
from gateway.formats.tools import merge_tools
from gateway.json_body import Document, array, elements, encode
from routing.agents import PromptMessage

_CALL_ID = LIMITS.call_id
# Where a field of a prompt stands: a member, or a member of a member.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_output_tokens",),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_logprobs": ("top_logprobs",),
    "parallel_tools": ("parallel_tool_calls",),
    "tool_choice": ("tool_choice",),
    "logprobs": ("include",),
    "output": ("text", "format"),
    "effort": ("reasoning", "effort"),
    "thinking_budget": ("reasoning", "effort"),
    "wants_thoughts": ("reasoning", "summary"),
}


def amend(document: Document, settings: Settings, model: str) -> dict[str, str | None]:
    """The changed members; None takes one out. Raises CallerError, Untranslatable for what this format cannot say."""
    refuse_ours(document.values)
    changed: dict[str, str | None] = {"model": encode(model)}
    for name, value in _parameters(document, settings).items():
        changed[name] = None if value is None else encode(value)
    if settings.system:
        changed["instructions"] = _instructions(settings.system, document)
    if settings.tools:
        changed["tools"] = merge_tools([(tool.name, encode(write_tool(tool))) for tool in settings.tools], document)
    if (text := document.texts.get("input")) and text.startswith("["):
        items = history(document.values["input"], text)
        if items is not None:
            changed["input"] = items
    if settings.turns and not _goes_on(document.values):
        changed["input"] = _with_turns(settings.turns, document, changed.get("input"))
    elif settings.system and document.texts.get("input") == NOTHING_SAID:  # instructions alone are no request
        changed |= {"instructions": None, "input": array([encode({"role": "developer", "content": settings.system})])}
    return changed


def _goes_on(given: Mapping[str, Any]) -> bool:
    """Return whether the provider holds the conversation already, with what the version said first."""
    return any(given.get(name) is not None for name in CONTINUING)


def _with_turns(turns: tuple[PromptMessage, ...], document: Document, items: str | None) -> str:
    """The input behind a version's turns, and these behind the client's leading system messages."""
    given, text = document.values.get("input"), items or document.texts.get("input") or NOTHING_SAID
    own = [encode({"role": turn.role, "content": turn.content}) for turn in turns]
    if not isinstance(given, list):
        said = [f'{{"role":"user","content":{text}}}'] if given is not None else []
        return array([*own, *said])
    texts = elements(text)
    leading = next((at for at, item in enumerate(given) if not _is_system(item)), len(given))
    return array([*texts[:leading], *own, *texts[leading:]])


def _is_system(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("role") in ("system", "developer")


def _parameters(document: Document, settings: Settings) -> dict[str, Any]:
    """The members that the version's parameters change, whole; None for what is taken out."""
    given = document.values
    changed: dict[str, Any] = {}
    for field, value in _sayable(settings.defaults):
        if _at(given, _PLACES[field]) is None or (field == "logprobs" and LOGPROBS not in _includes(given)):
            _put(changed, given, field, value)
    for field, value in _sayable(settings.fixed):
        _put(changed, given, field, value)
    for name, value in (settings.native or {}).items():
        there = changed.get(name, given.get(name))
        changed[name] = {**there, **value} if isinstance(there, dict) and isinstance(value, dict) else value
    return changed


def _sayable(fields: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """The fields that have a place; a budget of thoughts only where no effort is set beside it."""
    named = fields or {}
    for field, value in named.items():
        if field in UNSAYABLE and value not in (None, (), 0.0):
            raise unsayable(field)
        if field in _PLACES and not (field == "thinking_budget" and "effort" in named):
            yield field, value


def _put(changed: dict[str, Any], given: Mapping[str, Any], field: str, value: Any) -> None:
    place, said = _PLACES[field], _said(field, value, given)
    if len(place) == 1:
        changed[place[0]] = said
        return
    outer, inner = place
    there = changed.get(outer, given.get(outer))
    members = {name: each for name, each in there.items() if name != inner} if isinstance(there, dict) else {}
    if said is not None:
        members[inner] = said
    changed[outer] = members or None


def _said(field: str, value: Any, given: Mapping[str, Any]) -> Any:
    """A field's value as this format says it."""
    if field == "logprobs":
        others = [each for each in _includes(given) if each != LOGPROBS]
        return [*others, LOGPROBS] if value else others or None
    if value is None:
        return None
    if field == "wants_thoughts":
        return "auto" if value else None
    if field == "max_tokens":
        return max(value, FEWEST_TOKENS)
    if field == "tool_choice":
        return write_choice(value)
    if field == "output":
        return write_output(value)
    return effort_of(value) if field == "thinking_budget" else value


def _at(given: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    value: Any = given
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _includes(given: Mapping[str, Any]) -> list[Any]:
    includes = given.get("include")
    return includes if isinstance(includes, list) else []


def _instructions(system: str, document: Document) -> str:
    """The version's system prompt, then the client's instructions in its own spelling."""
    own = document.values.get("instructions")
    if own is None or own == "":
        return encode(system)
    if not isinstance(own, str):
        raise CallerError("instructions must be text", param="instructions")
    return encode(f"{system}\n\n")[:-1] + document.texts["instructions"][1:]


def history(items: list[Any], text: str) -> str | None:
    """The items without what we wrote into them, and with ids of calls that OpenAI takes; None as they are."""
    made = items
    if "serinus" in text:
        made = list(_without_marks(made))
    if '"call_id"' in text:
        made = [_with_fit_id(item) for item in made]
    if [*map(id, made)] == [*map(id, items)]:
        return None
    texts = {id(item): source for item, source in zip(items, elements(text), strict=True)}
    return array([texts.get(id(item)) or encode(item) for item in made])


def _with_fit_id(item: Any) -> Any:
    """The item itself, written anew only where another provider's id is too long for OpenAI."""
    own = item.get("call_id") if isinstance(item, dict) else None
    if not isinstance(own, str) or _CALL_ID.takes(own):
        return item
    return {**item, "call_id": _CALL_ID.fit(own)}


def _without_marks(items: list[Any]) -> Iterator[Any]:
    """The items less what we wrote into them: OpenAI looks for an id of ours, and cannot read another's reasoning."""
    for item in items:
        ours = isinstance(item, dict) and is_ours(item.get("id"))
        if not ours and not (isinstance(item, dict) and is_sealed(item.get("encrypted_content"))):
            yield item
        elif item.get("type") not in ("reasoning", "image_generation_call"):
            yield {name: value for name, value in item.items() if name != "id"}
