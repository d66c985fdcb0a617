"""A prompt as a generateContent request for a provider."""

from collections.abc import Mapping
from string import ascii_letters
from typing import Any
from urllib.parse import quote

from gateway.formats.gemini._config import calling_config, declaration, generation_config
from gateway.formats.gemini._models import before_three
from gateway.formats.gemini._turns import write_turns
from gateway.formats.limits import WORD, FormatLimits, Spelling
from gateway.formats.prompt import Prompt, Untranslatable

LIMITS = FormatLimits(
    tool_name=Spelling(128, WORD | {".", ":"}, first=frozenset(ascii_letters) | {"_"}),
    lone_refs=True,
)
_COLLECTIONS = ("models/", "tunedModels/")
# Members that only this format has: they came from a client that speaks it, and go back to where they stood.
_OWN = frozenset({"safetySettings", "cachedContent", "serviceTier"})
_OWN_INSIDE = ("generationConfig", "toolConfig")


def path(model: str, stream: bool) -> str:
    """Return the path behind the base path: it holds the model, and whether to stream."""
    name = model if model.startswith(_COLLECTIONS) else f"models/{model}"
    return f"/{quote(name)}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"


def write(prompt: Prompt, model: str) -> dict[str, Any]:
    """Return the body of the request. Raises Untranslatable and names the field that this format cannot say."""
    _check(prompt, model)
    system, contents = write_turns(prompt.messages, model)
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    if prompt.tools:
        body["tools"] = [{"functionDeclarations": [declaration(tool) for tool in prompt.tools]}]
    if calling := calling_config(prompt):
        body["toolConfig"] = {"functionCallingConfig": calling}
    if config := generation_config(prompt, model):
        body["generationConfig"] = config
    if (unfiltered := prompt.hints.get("safetySettings")) is not None:
        body["safetySettings"] = unfiltered
    _put_extras(prompt.extras, body)
    return body


def _check(prompt: Prompt, model: str) -> None:
    if prompt.output is not None and prompt.tools and before_three(model):
        message = f"{model} takes no schema for its answer beside functions; use Gemini 3, or leave one of them out"
        raise Untranslatable(message, param="response_format")


def _put_extras(extras: Mapping[str, Any], body: dict[str, Any]) -> None:
    for name, value in extras.items():
        outer, _, inner = name.partition(".")
        if name in _OWN:
            body[name] = value
        elif outer == "tools" and inner and "." not in inner:
            body.setdefault("tools", []).append({inner: value})
        elif outer in _OWN_INSIDE and inner:
            _put(body.setdefault(outer, {}), inner, value)
        else:
            raise Untranslatable(f"Gemini has no equivalent of {name}; leave it out", param=name)


def _put(members: dict[str, Any], name: str, value: Any) -> None:
    outer, _, inner = name.partition(".")
    if inner:
        _put(members.setdefault(outer, {}), inner, value)
    else:
        members[outer] = value
