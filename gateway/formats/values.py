"""Read the members of a request one by one: each has the type that it should have, or a CallerError is raised."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from gateway.errors import CallerError

Json = Mapping[str, Any]
_T = TypeVar("_T")


def wrong(param: str, wanted: str) -> CallerError:
    """The error of a member that is not what it should be."""
    return CallerError(f"{param} must be {wanted}", param=param)


def text(value: object, param: str) -> str:
    if not isinstance(value, str):
        raise wrong(param, "text")
    return value


def optional_text(members: Json, name: str, param: str) -> str:
    """The text of that name, '' where it is missing or null."""
    value = members.get(name)
    return "" if value is None else text(value, f"{param}.{name}")


def number(value: object, param: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(param, "a number")
    return value


def whole(value: object, param: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(param, "a whole number")
    return value


def flag(value: object, param: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(param, "true or false")
    return value


def holds(value: object, name: str) -> bool:
    """Return whether the value is an object with a member of that name."""
    return isinstance(value, dict) and name in value


def members(value: object, param: str) -> Json:
    if not isinstance(value, dict):
        raise wrong(param, "an object")
    return value


def items(value: object, param: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong(param, "a list")
    return value


def each(value: object, param: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    """A list read item by item."""
    return tuple(read(item, f"{param}[{index}]") for index, item in enumerate(items(value, param)))


def one_of(value: object, param: str, allowed: Iterable[str]) -> str:
    names = tuple(allowed)
    if not isinstance(value, str) or value not in names:
        raise wrong(param, f"one of {', '.join(names)}")
    return value
