"""Grades for other people's packages: JSON of the schema that is asked for, its values drawn from the question.

Packages ask for a judge's grade in different ways: with a schema in `response_format`, or with one in the prompt.
"""

import json
import zlib
from collections.abc import Iterator, Mapping

from .asks import Ask, items, part, text_in
from .judge import JudgeBehaviour
from .schemas import SchemaReader

_MOST_TRIES = 200  # beginnings of JSON in a prompt
_MOST_GRADES = 3  # of a list without a bound
_TENTHS = 10
_ANSWERS = ("yes", "no")
_QUESTIONS = ("messages", "input", "contents")


def draw_grades(ask: Ask, behaviour: JudgeBehaviour) -> str | None:
    """Return a judge's answer; None where no schema says what is asked for.

    The same question gets the same answer. A judge that errs answers as if it were asked something else.
    """
    schema = _schema(ask)
    if schema is None:
        return None
    if behaviour.manner == "garbage":
        return "I would rather write a poem about this."
    question = json.dumps([ask.fields.get(name) for name in _QUESTIONS], sort_keys=True, default=str)
    errs = _draw(f"errs {behaviour.seed} {question}", 1_000) < behaviour.error_rate * 1_000
    return json.dumps(_Grader(schema, f"{behaviour.seed} {errs} {question}").value(schema, 0, frozenset()))


class _Grader(SchemaReader):
    """A reader of a schema that draws each value: by the question, and by how many were drawn before."""

    def __init__(self, root: object, question: str) -> None:
        super().__init__(root)
        self._question = question
        self._drawn = 0

    def value(self, schema: object, depth: int, inside: frozenset[str]) -> object:
        if isinstance(schema, Mapping) and (choices := items(schema.get("enum"))):
            return choices[self._next(len(choices))]
        return super().value(schema, depth, inside)

    def _of_type(self, schema: Mapping[str, object], depth: int, inside: frozenset[str]) -> object:
        kind = schema.get("type", "object" if "properties" in schema else None)
        if kind == "object" and isinstance(known := schema.get("properties"), Mapping):
            return {name: self._member(name, each, depth, inside) for name, each in known.items()}
        if kind == "array":
            least = schema.get("minItems")
            count = least if isinstance(least, int) and least else 1 + self._next(_MOST_GRADES)
            return [self.value(schema.get("items"), depth + 1, inside) for _ in range(count)]
        if kind == "boolean":
            return self._next(2) == 1
        if kind in ("integer", "number"):
            return self._number(schema)
        return f"reason {self._next(1_000)}" if kind == "string" else super()._of_type(schema, depth, inside)

    def _member(self, name: str, schema: object, depth: int, inside: frozenset[str]) -> object:
        """Return a member; packages leave out of their schemas that a score has ten points, and a verdict two words."""
        kind, is_free = part(schema, "type"), part(schema, "maximum") is None
        if name == "score" and kind in ("integer", "number") and is_free:
            return self._next(11)
        if name == "verdict" and kind == "string" and part(schema, "enum") is None:
            return _ANSWERS[self._next(2)]
        return self.value(schema, depth + 1, inside)

    def _number(self, schema: Mapping[str, object]) -> object:
        low, high = schema.get("minimum"), schema.get("maximum")
        first = low if isinstance(low, int | float) else 0
        last = high if isinstance(high, int | float) else first + 1
        if schema.get("type") == "integer" or high is None:
            return int(first) + self._next(int(last) - int(first) + 1)
        return first + (last - first) * self._next(_TENTHS + 1) / _TENTHS

    def _next(self, count: int) -> int:
        self._drawn += 1
        return _draw(f"{self._drawn} {self._question}", max(count, 1))


def _draw(text: str, count: int) -> int:
    return (zlib.crc32(text.encode(errors="replace")) >> 4) % count


def _schema(ask: Ask) -> object:
    """Return the schema of the answer, also one that stands in the prompt; None where words are asked for."""
    if part(ask.schema, "properties") is not None:
        return ask.schema
    return next(_schemas_in(ask), ask.schema)


def _schemas_in(ask: Ask) -> Iterator[object]:
    decoder = json.JSONDecoder()
    for message in items(ask.fields.get("messages")):
        text, at = text_in(part(message, "content")), -1
        for _ in range(_MOST_TRIES):
            if (at := text.find("{", at + 1)) < 0:
                break
            try:
                found, end = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                continue
            if isinstance(part(found, "properties"), Mapping):
                yield found
            at = end - 1
