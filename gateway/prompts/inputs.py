"""Values of a version's inputs: those that a call gives, checked against their declarations, and defaults.

An error names the input and what it takes, and never the value.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.errors import CallerError
from routing.agents import InputType, PromptInput

MOST_SHOWN: Final = 20  # names or choices in one message
_TYPES: Final[Mapping[InputType, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_UNITS: Final = {"string": "characters", "array": "items"}


class MissingInput(CallerError):
    """The call gives no value for an input that needs one."""

    code = "missing_prompt_variable"


class InvalidInput(CallerError):
    """The call gives a value that the input does not take."""

    code = "invalid_prompt_variable"


def checked(inputs: Mapping[str, PromptInput], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each input. Raises MissingInput, InvalidInput. Values of other names are not looked at."""
    found: dict[str, Any] = {}
    for name, declared in inputs.items():
        value = values.get(name)
        if value is not None:
            if why := mistake(value, declared):
                raise InvalidInput(f"the prompt variable {name!r} {why}", param=f"prompt_variables.{name}")
            found[name] = value
        elif declared.default is not None:
            found[name] = json.loads(declared.default)
        elif declared.required:
            message = f"the prompt needs a value of {name!r}: {_described(declared)}; send it in `prompt_variables`"
            raise MissingInput(message, param=f"prompt_variables.{name}")
    return found


def mistake(value: Any, declared: PromptInput) -> str:
    """Return what is wrong with a value, without showing it; '' for nothing."""
    if not _TYPES[declared.type](value):
        return f"must be {_described(declared)}"
    if declared.enum and json_text(value) not in declared.enum:
        return f"must be {_described(declared)}"
    if declared.max_length is not None and len(value) > declared.max_length:
        return f"must have at most {declared.max_length} {_UNITS[declared.type]}"
    return ""


def json_text(value: object) -> str:
    """Return a value as the compact JSON text by which choices are compared."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _described(declared: PromptInput) -> str:
    if declared.enum:
        shown = ", ".join(declared.enum[:MOST_SHOWN])
        return f"one of {shown}{' and others' * (len(declared.enum) > MOST_SHOWN)}"
    article = "an" if declared.type[0] in "aeiou" else "a"
    return f"{article} {declared.type}"
