"""Answer to an operator who has deleted texts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForgottenView:
    """A conversation whose texts were deleted, and of how many of its calls there were any."""

    conversation: str
    calls: int
