"""Values of prompt variables in a request: where they may stand, and how they are taken out.

They stand in `prompt.variables`, in the body's `prompt_variables` or `inputs`, or in a header; of several values of one
variable the first in this order counts. An error names what is wrong, and never a value.
"""

import binascii
import json
import math
from base64 import b64decode
from collections.abc import Collection, Mapping
from typing import Any, Final

from gateway.errors import LONGEST_SHOWN, CallerError
from gateway.json_body import Document

PROMPT: Final = "prompt"
VARIABLES: Final = "prompt_variables"
INPUTS: Final = "inputs"
HEADER: Final = b"x-serinus-inputs"
MOST_NAMES: Final = 200
MOST_PARTS: Final = 10_000  # texts, numbers, lists and objects in all values together
MOST_DEEP: Final = 16
MOST_CHARACTERS: Final = 1 << 20  # of JSON
_TEXT: Final = "input_text"
_MEDIA: Final = ("input_image", "input_file", "input_audio")


class InvalidValues(CallerError):
    """The values are none, or too many."""

    code = "invalid_prompt_variables"


def values_in(document: Document, variables: Any, header: bytes | None) -> dict[str, Any]:
    """Return the values that a request gives, by name; `variables` are those of its `prompt`. Raises InvalidValues."""
    found = {} if header is None else _of_header(header)
    for name in (INPUTS, VARIABLES):
        if (given := document.values.get(name)) is not None:
            found |= _given(given, name)
    if variables is not None:
        found |= {name: _of_variable(name, value) for name, value in _given(variables, "prompt.variables").items()}
    size = len(header or b"") + sum(len(document.texts.get(name, "")) for name in (INPUTS, VARIABLES))
    _check_size(found, size)
    return found


def without_members(document: Document, names: Collection[str]) -> Document:
    """Return the request without some of its members."""
    values = {name: value for name, value in document.values.items() if name not in names}
    return Document(values, {name: text for name, text in document.texts.items() if name not in names})


def _given(value: Any, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidValues(f"'{param}' must be an object: values by the names of variables", param=param)
    return {name: each for name, each in value.items() if each is not None}


def _of_variable(name: str, value: Any) -> Any:
    """Return a value of OpenAI's own form: text, or an object that is one of its kinds of input."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str) or not kind.startswith("input_"):
        return value
    if kind == _TEXT and isinstance(text := value.get("text"), str):
        return text
    shown = kind if kind in _MEDIA else f"of another type than {_TEXT}"
    message = f"the prompt variable {name[:LONGEST_SHOWN]!r} is {shown}: the prompts of agents hold text only"
    raise InvalidValues(message, param="prompt.variables")


def _of_header(header: bytes) -> dict[str, Any]:
    name = HEADER.decode()
    if len(header) > 2 * MOST_CHARACTERS:
        raise _too_many(name)
    try:
        text = b64decode(header.strip() + b"=" * (-len(header.strip()) % 4), altchars=b"-_", validate=True)
        return _given(json.loads(text.decode()), name)
    except (ValueError, RecursionError, binascii.Error):  # the decoder's own words would quote the value
        pass
    raise InvalidValues(f"the header {name} must be a JSON object in base64url", param=name)


def _check_size(values: Mapping[str, Any], size: int) -> None:
    """Raise InvalidValues for more than a prompt can use."""
    if len(values) > MOST_NAMES or size > MOST_CHARACTERS:
        raise _too_many(VARIABLES)
    parts = 0
    level: list[Any] = [*values.values()]
    for _ in range(MOST_DEEP):
        parts += len(level)
        if parts > MOST_PARTS:
            raise _too_many(VARIABLES)
        level = [each for value in level for each in _below(value)]
        if not level:
            return
    raise InvalidValues(f"values of prompt variables may be nested {MOST_DEEP} deep", param=VARIABLES)


def _below(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidValues("values of prompt variables must be finite numbers", param=VARIABLES)
    return value if isinstance(value, list) else []


def _too_many(param: str) -> InvalidValues:
    limits = f"{MOST_NAMES} variables, {MOST_PARTS} values within them, and {MOST_CHARACTERS} bytes of JSON"
    return InvalidValues(f"a call gives too many values of prompt variables; at most {limits}", param=param)
