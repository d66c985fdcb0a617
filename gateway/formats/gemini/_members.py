"""The members of one JSON object in a client's request, under camelCase names, read with an eye on their types.

Gemini takes `topP` as well as `top_p`, and a lone object where a list belongs. Whatever is of another type is refused,
and the error names the field.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from gateway.errors import CallerError

_UNDERSCORED = re.compile(r"(?<!_)_+([a-z0-9])")  # begun once for each run of underscores, however long
_WIDEST = 2**63


def camel(name: str) -> str:
    """The name as the API's reference spells it."""
    return _UNDERSCORED.sub(lambda match: match[1].upper(), name.lstrip("_"))


def by_camel(names: Iterable[str], path: str = "") -> dict[str, str]:
    """The names of one object by their camelCase. Raises CallerError for two spellings of one member: what the gateway
    reads or replaces would not be what the provider takes."""
    found: dict[str, str] = {}
    for name in names:
        if (other := found.setdefault(camel(name), name)) != name:
            at = f"{path}.{camel(name)}" if path else camel(name)
            raise CallerError(f"{at} is given twice, as {other!r} and as {name!r}", param=at)
    return found


class Members:
    """An object's members. Every read takes a member out; `rest` is what nobody has read. A null counts as absent."""

    __slots__ = ("_values", "path")

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise wrong(path, "an object")
        self.path = path
        names = by_camel(value, path)
        self._values = {name: each for name, own in names.items() if (each := value[own]) is not None}

    def at(self, name: str) -> str:
        """Return the path of a member, for an error."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Any:
        return self._values.pop(name, None)

    def text(self, name: str) -> str:
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise wrong(self.at(name), "a string")
        return value or ""

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            raise wrong(self.at(name), "true or false")
        return value

    def number(self, name: str) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _WIDEST:
            raise wrong(self.at(name), "a number")
        return value

    def whole(self, name: str) -> int | None:
        value = self.number(name)
        if value is not None and (not isfinite(value) or value != int(value)):
            raise wrong(self.at(name), "a whole number")
        return None if value is None else int(value)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.take(name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(each, str) for each in values):
            raise wrong(self.at(name), "a list of strings")
        return tuple(values)

    def object(self, name: str) -> "Members | None":
        value = self.take(name)
        return None if value is None else Members(value, self.at(name))

    def objects(self, name: str) -> Iterator["Members"]:
        """The objects of a list, or the one that stands in its place."""
        value = self.take(name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        for index, each in enumerate(values):
            yield Members(each, f"{self.at(name)}[{index}]")

    def rest(self) -> Mapping[str, Any]:
        return self._values


def wrong(path: str, wanted: str) -> CallerError:
    """The error of a field that is not what it must be."""
    return CallerError(f"{path or 'the body'} must be {wanted}", param=path or None)
