"""The fallback chain: where the attempts of one call go, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Target:
    """Provider + model: where an attempt goes. Written `provider/model`; the model may itself hold slashes."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


HUMAN: Final = "human"
ChainTarget = Target | Literal["human"]


def chain(first: Target, fallback: Sequence[ChainTarget]) -> tuple[ChainTarget, ...]:
    """The version's own target, then each fallback that is not already in the chain."""
    return tuple(dict.fromkeys((first, *fallback))) if fallback else (first,)
