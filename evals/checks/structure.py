"""Checks of the answer's form: JSON, with a schema, alone or within other text; XML and HTML."""

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import JsonValue

from evals.checks.checkable import Checkable
from evals.checks.javascript import parse_json
from evals.checks.schemas import UndecidedSchema, mismatch, schema_of
from evals.checks.scores import CaseScore, decided, not_decided

_LONGEST_OBJECT = 100_000  # characters
_LONGEST_YAML = 20_000  # characters that are read as YAML, which takes its time
_MOST_READ = 400_000  # characters over all objects that are looked for, of which most are none
_MARKS = {"{": 1, "}": -1}


class _Loader(yaml.SafeLoader):
    """YAML without aliases, by which a short text becomes a huge value."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def check_is_json(given: Checkable) -> CaseScore:
    """The text is JSON, of the schema's shape where there is one."""
    spec = given.spec
    try:
        value = parse_json(given.text)
    except ValueError:
        return decided(spec, False, "the answer is no JSON")
    if not spec.value:
        return decided(spec, True, "the answer is JSON")
    try:
        wrong = mismatch(schema_of(spec.value), value)
    except UndecidedSchema as error:
        return not_decided(str(error))
    return decided(spec, not wrong, wrong or "the answer has the schema's shape")


def check_contains_json(given: Checkable) -> CaseScore:
    """The text holds a JSON object, of the schema's shape where there is one.

    Like promptfoo it takes for JSON what YAML reads: names without quotation marks, a comma too many.
    """
    spec, found = given.spec, list(json_objects(given.text))
    if not found or not spec.value:
        return decided(spec, bool(found), f"the answer holds {len(found)} JSON objects")
    try:
        schema = schema_of(spec.value)
        wrong = [mismatch(schema, value) for value in found]
    except UndecidedSchema as error:
        return not_decided(str(error))
    return decided(spec, "" in wrong, wrong[-1] or "the answer holds an object of the schema's shape")


def json_objects(text: str) -> Iterator[JsonValue]:
    """Yield the objects in a text, outermost first; one that the text ends in before it is closed is read as well.

    Reading stops after `_MOST_READ` characters, so a text of many braces takes no longer than one of few.
    """
    start, left = text.find("{"), _MOST_READ
    while start >= 0 and left > 0:
        piece, end = _balanced(text, start)
        value = _read(piece)
        left -= len(piece)
        if value is not None:
            yield value
        start = text.find("{", end if value is not None else start + 1)


def _balanced(text: str, start: int) -> tuple[str, int]:
    """Return the text from a brace to the one that closes it, with those added that are missing, and where it ends."""
    depth, limit = 0, min(start + _LONGEST_OBJECT, len(text))
    for index in range(start, limit):
        depth += _MARKS.get(text[index], 0)
        if not depth:
            return text[start : index + 1], index + 1
    return text[start:limit] + "}" * (depth if limit - start > 1 else 0), limit


def _read(piece: str) -> JsonValue | None:
    try:
        return parse_json(piece)
    except ValueError:
        if len(piece) > _LONGEST_YAML:
            return None
    try:
        value = yaml.load(piece, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
