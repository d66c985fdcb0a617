"""Agents' names within a forwarded body: in the requests of a batch, in the graders of an evaluation.

Such a body goes to the provider as it is. An agent's name in it would be no model there.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gateway.errors import LONGEST_SHOWN, CallerError
from routing.chain import Target

_Key = str | int


def check_nested(values: Any, model_of: Callable[[str], Target | None]) -> None:
    """Raise CallerError where a member below the first level names an agent.

    `model_of` returns the target of an agent's name, None for any other name.
    """
    for path, name in _nested_models(values):
        if (target := model_of(name)) is not None:
            place, shown = _place(path), name[:LONGEST_SHOWN]
            raise CallerError(
                f"'{place}' names the agent {shown!r}, and what is made here goes to the provider as it is: write the "
                f"provider's own model, such as {target.model!r}, with the prompt and the settings that you want",
                param=place,
            )


def _nested_models(values: Any) -> Iterator[tuple[Sequence[_Key], str]]:
    """Yield the path and the text of every `model` below the first level; the path holds until the next one.

    The walk holds one member a level, however many the body has and however long their names are.
    """
    path: list[_Key] = []
    left = [_containers(values)]
    while left:
        found = next(left[-1], None)
        if found is None:
            left.pop()
            if path:
                path.pop()
            continue
        key, each = found
        path.append(key)
        if isinstance(each, dict) and isinstance(name := each.get("model"), str):
            yield path, name
        left.append(_containers(each))


def _containers(value: Any) -> Iterator[tuple[_Key, Any]]:
    """Yield the arrays and objects directly within an array or object."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return ((key, each) for key, each in pairs if isinstance(each, (dict, list)))


def _place(path: Sequence[_Key]) -> str:
    return ".".join([*(str(key)[:LONGEST_SHOWN] for key in path), "model"])[:LONGEST_SHOWN]
