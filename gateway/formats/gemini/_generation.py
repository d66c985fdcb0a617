"""A client's `generationConfig` as fields of a `Prompt`."""

from collections.abc import Mapping
from typing import Any, get_args

from gateway.errors import CallerError
from gateway.formats.gemini._members import Members, wrong
from gateway.formats.gemini._schemas import json_schema
from gateway.formats.prompt import Effort, OutputShape

_EFFORTS: dict[str, Effort] = {effort.upper(): effort for effort in get_args(Effort)}
_UNSPECIFIED = "THINKING_LEVEL_UNSPECIFIED"
_JSON = "application/json"
PREFIX = "generationConfig."
# What asks for nothing when it says this.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "candidateCount": (1,),
    "responseModalities": (["TEXT"], []),
    "mediaResolution": ("MEDIA_RESOLUTION_UNSPECIFIED",),
    "speechConfig": ({},),
    "routingConfig": ({},),
    "audioTimestamp": (False,),
    "enableEnhancedCivicAnswers": (False,),
}


def read_generation(config: Members) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of a `Prompt` and extras. Raises CallerError and names the field that is wrong."""
    fields: dict[str, Any] = {
        "max_tokens": config.whole("maxOutputTokens"),
        "temperature": config.number("temperature"),
        "top_p": config.number("topP"),
        "top_k": config.whole("topK"),
        "stop": config.texts("stopSequences"),
        "seed": config.whole("seed"),
        "presence_penalty": config.number("presencePenalty"),
        "frequency_penalty": config.number("frequencyPenalty"),
        "logprobs": config.flag("responseLogprobs"),
        "top_logprobs": config.whole("logprobs"),
    }
    extras: dict[str, Any] = {}
    fields["output"] = _output(config, extras)
    if (thinking := config.object("thinkingConfig")) is not None:
        fields |= _thinking(thinking)
        extras |= {f"{PREFIX}thinkingConfig.{name}": value for name, value in thinking.rest().items()}
    extras |= {PREFIX + name: value for name, value in config.rest().items() if not _says_nothing(name, value)}
    return fields, extras


def _output(config: Members, extras: dict[str, Any]) -> OutputShape | None:
    mime = config.text("responseMimeType")
    if mime not in ("", "text/plain", _JSON):
        extras[f"{PREFIX}responseMimeType"] = mime
        return None
    schema, native = config.take("responseSchema"), config.take("responseJsonSchema")
    if native is not None:
        if not isinstance(native, dict):
            raise wrong(config.at("responseJsonSchema"), "a JSON schema")
        return OutputShape(native)
    if schema is not None:
        return OutputShape(json_schema(schema, config.at("responseSchema")))
    return OutputShape() if mime == _JSON else None


def _thinking(config: Members) -> dict[str, Any]:
    """0 turns thinking off; -1 leaves it to the model, which is what no budget says: but it does turn it on."""
    budget, level = config.whole("thinkingBudget"), config.text("thinkingLevel").upper()
    if level not in ("", _UNSPECIFIED) and level not in _EFFORTS:
        raise CallerError(f"{level} is not a thinking level", param=config.at("thinkingLevel"))
    fields: dict[str, Any] = {"effort": _EFFORTS.get(level), "wants_thoughts": config.flag("includeThoughts")}
    if budget is not None and budget < -1:
        raise wrong(config.at("thinkingBudget"), "-1 or more")
    if budget == 0:
        fields["effort"] = "none"
    elif budget == -1:
        fields["effort"] = fields["effort"] or "medium"
    else:
        fields["thinking_budget"] = budget
    return fields


def _says_nothing(name: str, value: Any) -> bool:
    return any(type(value) is type(neutral) and value == neutral for neutral in _NEUTRAL.get(name, ()))
