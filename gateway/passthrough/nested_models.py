"""Models that a forwarded body names within its members: the requests of a batch, the graders of an evaluation.

Such a body goes to the provider as it is. An agent's name in it would be no model there.
"""

from collections.abc import Callable, Iterator
from typing import Any

from gateway.errors import CallerError
from routing.chain import Target

_LONGEST_SHOWN = 200


def check_nested(values: Any, model_of: Callable[[str], Target | None]) -> None:
    """Raise CallerError where a member below the first level names an agent; `model_of` tells the model it stands
    for, None for a name that is no agent's."""
    for place, name in _nested_models(values):
        if (target := model_of(name)) is not None:
            shown = name[:_LONGEST_SHOWN]
            raise CallerError(
                f"'{place}' names the agent {shown!r}, and what is made here goes to the provider as it is: write the "
                f"provider's own model, such as {target.model!r}, with the prompt and the settings that you want",
                param=place,
            )


def _nested_models(values: Any) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of every `model` below the first level."""
    left: list[tuple[str, Any]] = [("", values)]
    while left:
        place, value = left.pop()
        if isinstance(value, list):
            left += [(f"{place}{at}.", each) for at, each in enumerate(value) if isinstance(each, (dict, list))]
        elif isinstance(value, dict):
            if place and isinstance(name := value.get("model"), str):
                yield f"{place}model"[:_LONGEST_SHOWN], name
            left += [(f"{place}{key}.", each) for key, each in value.items() if isinstance(each, (dict, list))]
