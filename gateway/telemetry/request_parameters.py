"""Parameters of a call as attributes of its attempts: what the client sent, and what its version sets instead.

At the end of a call only their JSON texts are kept. They are read when spans are made.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.formats.applied import AppliedVersion
from gateway.telemetry import semantic_names as names

Value = str | int | float | tuple[str, ...]

_LONGEST = 8192  # characters of one parameter that wait with a call: some hold a schema
_MOST_INTEGER = 2**63 - 1  # of a span
_MOST_TEXTS, _LONGEST_TEXT = 16, 64
_NESTED: Final = ("generationConfig", "generation_config")
_SPELLINGS: Final[Mapping[str, str]] = {
    "temperature": names.TEMPERATURE,
    "top_p": names.TOP_P,
    "topP": names.TOP_P,
    "top_k": names.TOP_K,
    "topK": names.TOP_K,
    "frequency_penalty": names.FREQUENCY_PENALTY,
    "frequencyPenalty": names.FREQUENCY_PENALTY,
    "presence_penalty": names.PRESENCE_PENALTY,
    "presencePenalty": names.PRESENCE_PENALTY,
    "max_tokens": names.MAX_TOKENS,
    "max_completion_tokens": names.MAX_TOKENS,
    "max_output_tokens": names.MAX_TOKENS,
    "maxOutputTokens": names.MAX_TOKENS,
    "seed": names.SEED,
    "random_seed": names.SEED,
    "n": names.CHOICE_COUNT,
    "candidateCount": names.CHOICE_COUNT,
    "stop": names.STOP_SEQUENCES,
    "stop_sequences": names.STOP_SEQUENCES,
    "stopSequences": names.STOP_SEQUENCES,
    "encoding_format": names.ENCODING_FORMATS,
    "dimensions": names.DIMENSIONS,
    "response_format": names.OUTPUT_TYPE,
    "text": names.OUTPUT_TYPE,
    "responseMimeType": names.OUTPUT_TYPE,
    "response_mime_type": names.OUTPUT_TYPE,
    "output_config": names.OUTPUT_TYPE,
    "output_format": names.OUTPUT_TYPE,
}
_KEPT: Final = frozenset(_SPELLINGS) | frozenset(_NESTED)
_OUTPUT_TYPES: Final = {
    "json_object": "json", "json_schema": "json", "application/json": "json", "text": "text", "text/plain": "text",
}  # fmt: skip


class AskedParameters(NamedTuple):
    """The JSON texts of a request's parameters by their names, and the version that set others in their place."""

    texts: Mapping[str, str]
    applied: AppliedVersion | None = None


NOTHING_ASKED: Final = AskedParameters({})


def kept_parameters(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of a request's members that are parameters, which is all that waits of the request."""
    found = {}
    for name in _KEPT & texts.keys():
        if len(texts[name]) <= _LONGEST:
            found[name] = texts[name]
    return found


def parameters_of(asked: AskedParameters) -> dict[str, Value]:
    """Return the attributes of a call's parameters; what its version fixes goes before what the client sent."""
    applied = asked.applied
    found = dict(_read_all(applied.defaults)) if applied else {}
    found.update(_read_all(asked.texts))
    if applied:
        found.update(_read_all(applied.fixed))
    if found.get(names.CHOICE_COUNT) == 1:  # the conventions name only another number
        del found[names.CHOICE_COUNT]
    return found


def _read_all(texts: Mapping[str, str | None]) -> Iterator[tuple[str, Value]]:
    values = {name: _value_of(texts[name] or "null") for name in _KEPT & texts.keys()}
    for name in _NESTED:
        if isinstance(nested := values.get(name), dict):
            values |= nested
    for name in sorted(_SPELLINGS.keys() & values.keys()):
        attribute = _SPELLINGS[name]
        value = _READERS[attribute](values[name])
        if value is not None:
            yield attribute, value


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # it was read before, with more of the stack left
        return None


def _decimal(value: Any) -> float | None:
    return None if type(value) not in (int, float) or abs(value) > _MOST_INTEGER else float(value)


def _integer(value: Any) -> int | None:
    return value if type(value) is int and abs(value) <= _MOST_INTEGER else None


def _texts(value: Any) -> tuple[str, ...] | None:
    """Return a text or a list of texts, shortened; None for anything else."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        return None
    texts = [each[:_LONGEST_TEXT].encode("utf-8", "replace").decode() for each in given if isinstance(each, str)]
    return tuple(texts[:_MOST_TEXTS]) or None


def _output_type(value: Any) -> str | None:
    """Return the type of output that was asked for: a MIME type, a type, or a format with one."""
    for name in ("format", "type"):
        if isinstance(value, dict):
            value = value.get(name, value)
    return _OUTPUT_TYPES.get(value) if isinstance(value, str) else None


_READERS: Final[Mapping[str, Callable[[Any], Value | None]]] = {
    **dict.fromkeys(
        (names.TEMPERATURE, names.TOP_P, names.TOP_K, names.FREQUENCY_PENALTY, names.PRESENCE_PENALTY), _decimal
    ),
    **dict.fromkeys((names.MAX_TOKENS, names.SEED, names.CHOICE_COUNT, names.DIMENSIONS), _integer),
    **dict.fromkeys((names.STOP_SEQUENCES, names.ENCODING_FORMATS), _texts),
    names.OUTPUT_TYPE: _output_type,
}
