"""Parameters that a version sets for generateContent, as this API says them: one account speaks both."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.formats.prompt import Untranslatable

_CATEGORY = "HARM_CATEGORY_"


def adopt(native: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the members of this API. Raises Untranslatable for a parameter that has none."""
    adopted: dict[str, Any] = {}
    for name, value in native.items():
        if name not in _MEMBERS:
            message = f"the version's {name} is for generateContent alone, and this client speaks Interactions"
            raise Untranslatable(message, param=name)
        member, say = _MEMBERS[name]
        adopted[member] = say(value)
    return adopted


def _safety(settings: Any) -> Any:
    if not isinstance(settings, list):
        return settings
    return [_setting(each) if isinstance(each, dict) else each for each in settings]


def _setting(setting: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: value.lower() if isinstance(value, str) else value for name, value in setting.items()}
    category = said.pop("category", None)
    if isinstance(category, str):
        said["type"] = category.removeprefix(_CATEGORY.lower())
    return said


def _as_it_is(value: Any) -> Any:
    return value


_MEMBERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "safetySettings": ("safety_settings", _safety),
    "cachedContent": ("cached_content", _as_it_is),
    "labels": ("labels", _as_it_is),
}
