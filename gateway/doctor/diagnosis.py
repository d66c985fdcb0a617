"""Diagnoses: the state of one target, provider, store or clock, in a sentence each, and the remedy."""

from dataclasses import dataclass
from typing import Literal

Condition = Literal["well", "doubtful", "broken"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The state of one subject. `do` is the remedy, '' where nothing is to be done. `seconds` is how long it took."""

    subject: str
    state: Condition
    message: str
    do: str = ""
    seconds: float | None = None
