"""Values and texts as JavaScript sees them, in which suites of promptfoo are written."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from pydantic import JsonValue

# ECMA-262, WhiteSpace and LineTerminator: what `trim` and `\s` mean there. Python's `split` means other characters.
SPACES = "\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_BETWEEN = re.compile(f"[{SPACES}]+")
_TRIMMED = "".join(chr(code) for code in range(0x10000) if re.match(f"[{SPACES}]", chr(code)))
_LARGEST_WHOLE = 2**53  # beyond, a double skips whole numbers
_NUMBER = re.compile(r"[+-]?(?:Infinity|\d++(?:\.\d*+)?(?:[eE][+-]?\d++)?|\.\d++(?:[eE][+-]?\d++)?)")


def words(text: str) -> list[str]:
    """Return the text's parts between white space."""
    return [part for part in _BETWEEN.split(text) if part]


def trim(text: str) -> str:
    """Return the text without white space at its ends."""
    return text.strip(_TRIMMED)


def code_units(text: str) -> str:
    """Return the text with each character beyond U+FFFF as its two surrogates, as JavaScript counts and compares."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    return "".join(map(chr, memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")))


def text_of(value: JsonValue) -> str:
    """Return `String(value)`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(value)
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "[object Object]"
    return ",".join("" if part is None else text_of(part) for part in value)


def number_of(text: str) -> float | None:
    """Return the number at the beginning of the text, as `parseFloat` finds it; None for none."""
    found = _NUMBER.match(trim(text))
    return float(found[0].replace("Infinity", "inf")) if found else None


def parse_json(text: str) -> JsonValue:
    """Return the text's JSON. Raises ValueError, also where it is nested beyond what can be read."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


def equal(left: JsonValue, right: JsonValue) -> bool:
    """Return whether both are the same JSON value: a number is no boolean, and 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    if isinstance(left, Sequence) and isinstance(right, Sequence) and not isinstance(left, str):
        return len(left) == len(right) and all(map(equal, left, right))
    return False


def compact(value: JsonValue) -> str:
    """Return `JSON.stringify(value)`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _number_text(value: float) -> str:
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e21):
        return str(int(value))
    text = repr(value).replace("inf", "Infinity").replace("nan", "NaN")
    return re.sub(r"e([+-])0+", r"e\1", text)


def _whole(text: str) -> int | float:
    number = float(text)
    return int(text) if abs(number) <= _LARGEST_WHOLE else number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
