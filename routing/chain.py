"""The fallback chain: where the attempts of one call go, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Target:
    """Provider + model: where an attempt goes. `name` is `provider/model`; the model may itself hold slashes."""

    provider: str
    model: str
    name: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.provider}/{self.model}")

    def __str__(self) -> str:
        return self.name


HUMAN: Final = "human"
ChainTarget = Target | Literal["human"]


def chain(first: Target, fallback: Sequence[ChainTarget]) -> tuple[ChainTarget, ...]:
    """The version's own target, then each fallback that is not already in the chain."""
    return tuple(dict.fromkeys((first, *fallback))) if fallback else (first,)
