"""Members that a version changes in a Gemini request, as JSON texts; the rest stays as the client wrote it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gateway.formats.fit import fitted_tool
from gateway.formats.gemini._config import MEMBERS, THINKING, calling_config, declaration, generation_config
from gateway.formats.gemini._members import by_camel, camel, wrong
from gateway.formats.gemini.provider_request import LIMITS
from gateway.formats.prompt import Prompt, ToolSpec
from gateway.formats.settings import Settings
from gateway.json_body import Document, array, elements, encode
from routing.agents import PromptMessage

_CALLING = frozenset({"tool_choice", "parallel_tools"})
Changes = dict[str, str | None]


def amend(document: Document, settings: Settings, model: str) -> Changes:
    """The members to replace; None takes out. The model stands in the path, never in the body."""
    client = _Object(document)
    changed = _Changes(client)
    if "model" in client.names:
        changed.texts[client.names["model"]] = None
    if settings.system is not None:
        changed.put("systemInstruction", _system(settings.system, client.inner("systemInstruction")))
    if settings.turns:
        changed.put("contents", array([*map(_turn, settings.turns), *client.items("contents")]))
    if settings.tools:
        changed.put("tools", _tools(settings.tools, client.items("tools")))
    _put_generation(changed, settings, model)
    _put_choice(changed, settings, client)
    for name, value in (settings.native or {}).items():
        _put_native(changed, name, value)
    return changed.texts


class _Object:
    """A JSON object's source texts under camelCase names. Raises CallerError where there is no object."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.names = by_camel(document.values)

    @classmethod
    def of(cls, text: str | None) -> "_Object":
        """The object in a text; an empty one for none."""
        return cls(Document.parse((text or "{}").encode()))

    def text(self, name: str) -> str | None:
        text = self._document.texts.get(self.names.get(name, ""))
        return None if text == "null" else text

    def value(self, name: str) -> Any:
        return self._document.values.get(self.names.get(name, ""))

    def inner(self, name: str) -> "_Object":
        if not isinstance(self.value(name), (dict, type(None))):
            raise wrong(name, "an object")
        return _Object.of(self.text(name))

    def items(self, name: str) -> list[str]:
        """The source texts of a list, or of the one thing that stands in its place."""
        text = self.text(name)
        if text is None:
            return []
        return elements(text) if isinstance(self.value(name), list) else [text]

    def patched(self, cleared: Iterable[str], put: Mapping[str, str]) -> str:
        """The object's text without the cleared members and with the others put in."""
        gone = {*cleared, *put}
        changes: Changes = {spelled: None for name, spelled in self.names.items() if name in gone}
        return self._document.render({**changes, **put}).decode()


class _Changes:
    """Changes under the names of the API's reference. The client's spelling is removed, as the provider may not know
    it.
    """

    def __init__(self, client: _Object) -> None:
        self._client = client
        self.texts: Changes = {}

    def current(self, name: str) -> _Object:
        """An object as it stands with the changes so far."""
        return _Object.of(self.texts[name]) if name in self.texts else self._client.inner(name)

    def put(self, name: str, text: str) -> None:
        if (spelled := self._client.names.get(name, name)) != name:
            self.texts[spelled] = None
        self.texts[name] = text


def _system(prompt: str, client: _Object) -> str:
    return client.patched((), {"parts": array([encode({"text": prompt}), *client.items("parts")])})


def _turn(turn: PromptMessage) -> str:
    return encode({"role": "model" if turn.role == "assistant" else "user", "parts": [{"text": turn.content}]})


def _tools(tools: tuple[ToolSpec, ...], client: list[str]) -> str:
    """The version's functions, then the client's own of other names, and what else it lets the model use."""
    names = {tool.name for tool in tools}
    merged = [encode({"functionDeclarations": [declaration(fitted_tool(tool, LIMITS)) for tool in tools]})]
    for text in client:
        tool = _Object.of(text)
        declared = tool.items("functionDeclarations")
        kept = [each for each in declared if _Object.of(each).value("name") not in names]
        if len(kept) == len(declared):
            merged.append(text)
        elif kept or len(tool.names) > 1:
            merged.append(
                tool.patched(("functionDeclarations",), {"functionDeclarations": array(kept)} if kept else {})
            )
    return array(merged)


def _put_generation(changed: _Changes, settings: Settings, model: str) -> None:
    config = changed.current("generationConfig")
    thinking = config.inner("thinkingConfig")
    fields = dict(settings.fixed or {})
    fields |= {
        name: value
        for name, value in (settings.defaults or {}).items()
        if not _is_set(config, MEMBERS.get(name, ())) and not _is_set(thinking, THINKING.get(name, ()))
    }
    names = fields.keys() & {*MEMBERS, *THINKING}
    if not names:
        return
    set_ = generation_config(_prompt({name: fields[name] for name in names}), model)
    cleared = [member for name in names for member in MEMBERS.get(name, ())]
    if names & THINKING.keys():
        put = {name: encode(value) for name, value in set_.pop("thinkingConfig", {}).items()}
        gone = [member for name in names for member in THINKING.get(name, ())]
        set_texts = {"thinkingConfig": thinking.patched(gone, put)}
        if set_texts["thinkingConfig"] == "{}":
            cleared, set_texts = [*cleared, "thinkingConfig"], {}
    else:
        set_texts = {}
    set_texts |= {name: encode(value) for name, value in set_.items()}
    changed.put("generationConfig", config.patched(cleared, set_texts))


def _put_choice(changed: _Changes, settings: Settings, client: _Object) -> None:
    """Set which function may be called, and whether calls must match their schemas."""
    config = changed.current("toolConfig")
    fields = {name: value for name, value in (settings.fixed or {}).items() if name in _CALLING}
    strict = False
    if config.text("functionCallingConfig") is None:
        strict = any(tool.strict for tool in settings.tools)
        fields |= {name: value for name, value in (settings.defaults or {}).items() if name in _CALLING}
    if not fields and not strict:
        return
    some = (ToolSpec("any"),) if client.items("tools") else ()
    calling = calling_config(replace(_prompt(fields), tools=settings.tools or some))
    put = {"functionCallingConfig": encode(calling)} if calling else {}
    if calling or fields.keys() & {"tool_choice"}:
        changed.put("toolConfig", config.patched(("functionCallingConfig",), put))


def _put_native(changed: _Changes, name: str, value: Any) -> None:
    """A member of the API's own; an object is laid over the client's."""
    if not isinstance(value, dict):
        changed.put(camel(name), encode(value))
        return
    put = {camel(key): encode(each) for key, each in value.items()}
    changed.put(camel(name), changed.current(camel(name)).patched((), put))


def _is_set(config: _Object, members: Iterable[str]) -> bool:
    return any(config.text(member) is not None for member in members)


def _prompt(fields: Mapping[str, Any]) -> Prompt:
    return replace(Prompt(()), **fields)
