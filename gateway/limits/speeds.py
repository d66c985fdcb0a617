"""Speed of targets: how many tokens a stream may have cost when its usage never came.

A provider bills what it has generated until it notices that the stream is cut, thoughts and what lies in buffers
included. Nobody says how much that is, but it takes time.
"""

from math import inf
from typing import Final

from gateway.calls import Attempt

_LEAST_TOKENS: Final = 64  # of a stream that says something about speed
_LEAST_SECONDS: Final = 0.001
_MARGIN: Final = 2.0  # above the fastest stream that was seen
_NOTICED: Final = 0.25  # seconds until a provider notices that a stream is cut


class Speeds:
    """The fastest stream of each target, in tokens a second, as this replica has seen them."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def note(self, attempt: Attempt) -> None:
        """Note the speed of a stream whose usage was reported."""
        usage = attempt.usage
        if usage is None or usage.output < _LEAST_TOKENS:
            return
        seconds = attempt.ended_at - (attempt.first_token_at or attempt.started_at)
        speed = usage.output / max(seconds, _LEAST_SECONDS)
        if speed > self._seen.get(attempt.target, 0.0):
            self._seen[attempt.target] = speed

    def most_output(self, target: str, seconds: float) -> float:
        """Return the most that a target may have generated in a stream that was cut after so many seconds.

        That is without bound while no stream of it was seen.
        """
        return _MARGIN * self._seen.get(target, inf) * (max(seconds, 0.0) + _NOTICED)
