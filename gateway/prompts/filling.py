"""A template filled with a call's values: in linear time, up to a bound, and nothing in a value is expanded.

A value is empty if it is missing, null, false, 0, an empty text or an empty list, as in Handlebars. A text is written
as it is, anything else as JSON.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.errors import CallerError
from gateway.prompts.language import THIS, Body, Conditional, Loop, Path, Value

MOST_CHARACTERS: Final = 1 << 20  # of one finished prompt, all of its messages together
MOST_STEPS: Final = 50_000  # loops within loops may write little and take long
_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class PromptTooLong(CallerError):
    """The values make a prompt that is too long, or takes too long to write."""

    code = "prompt_too_long"


class Filling:
    """A writer of the templates of one prompt."""

    __slots__ = ("_characters", "_steps", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._characters = 0
        self._steps = 0

    def text(self, body: Body) -> str:
        """Return the finished text. Raises PromptTooLong."""
        return "".join(self._written(body, None))

    def _written(self, body: Body, this: Any) -> Iterator[str]:
        for part in body:
            self._count(0)
            if isinstance(part, str):
                yield self._counted(part)
            elif isinstance(part, Value):
                yield self._counted(written(self._found(part.path, this)))
            elif isinstance(part, Conditional):
                chosen = part.otherwise if is_empty(self._found(part.path, this)) else part.body
                yield from self._written(chosen, this)
            else:
                yield from self._looped(part, this)

    def _looped(self, loop: Loop, this: Any) -> Iterator[str]:
        items = _items(self._found(loop.path, this))
        is_any = False
        for item in items:
            is_any = True
            self._count(0)
            yield from self._written(loop.body, item)
        if not is_any:
            yield from self._written(loop.otherwise, this)

    def _found(self, path: Path, this: Any) -> Any:
        value = this if path[0] == THIS else self._values.get(path[0])
        for name in path[1:]:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _counted(self, text: str) -> str:
        self._count(len(text))
        return text

    def _count(self, characters: int) -> None:
        self._steps += 1
        self._characters += characters
        if self._characters > MOST_CHARACTERS or self._steps > MOST_STEPS:
            raise PromptTooLong(
                f"these values make a prompt of more than {MOST_CHARACTERS} characters, or of more than {MOST_STEPS} "
                "parts; send shorter ones",
                param="prompt_variables",
            )


def is_empty(value: Any) -> bool:
    """Return whether `{{#if}}` takes a value for false. An object never is."""
    return value is None or value is False or value == "" or value == [] or (_is_number(value) and value == 0)


def written(value: Any) -> str:
    """Return a value as it stands in a text."""
    if isinstance(value, str):
        return value
    return "" if value is None else _json(value)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
