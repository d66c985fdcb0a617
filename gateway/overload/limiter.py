"""Adaptive limit of the calls that begin in one turn of the event loop, by the gradient of the loop's delay.

Netflix's concurrency limits and Envoy's take the gradient of the latency of calls. A call of a model takes from a
second to ten minutes, which is its provider's doing. So the latency here is the loop's own, which no provider changes,
and what is limited are the calls that begin between two samples of it: one that waits costs next to nothing.

Their answers come back later and are work again. So a window lets in little more than the windows before it did, or
waves would run through the loop as long as providers take.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from gateway.overload.places import Share, ShedReason
from gateway.overload.shares import fair_level

BEHIND_SECONDS: Final = 0.5  # for so long the delay stands above its target before anything is shed: bursts are served
FAR_BEHIND: Final = 2.0  # times the target: then at once
OVER_SECONDS: Final = 1.0  # without a shed call, and the limit is lifted
WINDOW_SECONDS: Final = 0.1  # between two looks at what each caller asks for
_RECENT: Final = 3  # samples: a single pause, of the garbage collector or of a busy machine, is none of overload
_LEAST_GRADIENT: Final = 0.85
_LEAST_FAR_BEHIND: Final = 0.5
_GROWTH, _MORE = 1.15, 1.0  # of the limit, in a sample
_SLACK: Final = 1.1  # callers do not come evenly
_SURE: Final = 0.5  # of what was let in lately: shared out whatever the limit is now, so that few are hit by many
_SURE_OF_USUAL: Final = (
    0.25  # of what the loop has kept up with: where others take its processor, shedding does not help
)
_FORGOTTEN: Final = 0.999  # in a window
_SMOOTHING: Final = 0.1
_FLOOD: Final = 50  # shed calls of a caller in a window
_STEADY: Final = 1.2  # times what was let in lately: work comes back from providers later, in waves of what was let in


class DelayLimiter:
    """The limiter of one process. `see` tells it of the loop's delay, `admits` decides on a call. Times are seconds."""

    def __init__(self, target: float) -> None:
        self.target = target
        self.delay = 0.0
        self.is_on = False
        self._recent: deque[float] = deque([0.0] * _RECENT, _RECENT)
        self._above_since: float | None = None
        self._shed_at = self._now = 0.0
        self._limit = self._level = self._sure = 1.0
        self._rate = 0.0  # calls let in in a window, lately
        self._kept_up = 0.0  # the largest such rate of late at which the delay was below its target
        self._left = 1.0  # of this window
        self._begun, self._has_shed = 0, False  # since the last sample
        self._samples = 0  # in this window
        self._rolled_at = float("-inf")
        self._asked: dict[str, int] = {}
        self._shed: dict[str, int] = {}

    def see(self, delay: float, now: float, shares: Mapping[str, Share]) -> None:
        """Take a sample of the delay."""
        self._now = now
        self._recent.append(delay)
        self.delay = min(self._recent)
        if self.delay <= self.target:
            self._above_since = None
        elif self._above_since is None:
            self._above_since = now
        if self.is_on:
            self._adapt(delay)
            self.is_on = now - self._shed_at < OVER_SECONDS or self.delay > self.target
        elif self._is_behind(now):
            self.is_on, self._shed_at = True, now
            self._limit = max(1.0, float(self._asked_since(shares)))
            self._rate = max(self._rate, self._limit / self._windows(now))
            self._adapt(delay)
            self._roll(now, shares)
        self._samples += 1
        self._begun, self._has_shed = 0, False
        if now - self._rolled_at >= WINDOW_SECONDS:
            self._roll(now, shares)

    def admits(self, share: Share) -> ShedReason | None:
        """Return why the call of that caller is shed; None where it is let in."""
        is_within = self._begun < self._limit and self._left >= 1.0 and share.used < self._level
        if share.used < self._sure or is_within:
            self._left -= 1.0
            self._begun += 1
            share.used += 1
            return None
        self._shed_at, self._has_shed = self._now, True
        return "delay"

    def _is_behind(self, now: float) -> bool:
        if self._above_since is None:
            return False
        return now - self._above_since >= BEHIND_SECONDS or self.delay > FAR_BEHIND * self.target

    def _windows(self, now: float) -> float:
        """Return how many windows have passed since the last one began."""
        return min(10.0, (now - self._rolled_at) / WINDOW_SECONDS)

    def _asked_since(self, shares: Mapping[str, Share]) -> int:
        """Return how many calls have come in this window."""
        return sum(share.asked - self._asked.get(name, 0) for name, share in shares.items())

    def _adapt(self, delay: float) -> None:
        """Follow the gradient of a sample of the delay."""
        if delay > self.target:
            least = _LEAST_GRADIENT if delay <= FAR_BEHIND * self.target else _LEAST_FAR_BEHIND
            self._limit = max(1.0, self._limit * max(least, self.target / delay))
        elif self._has_shed:
            self._limit = self._limit * _GROWTH + _MORE

    def _roll(self, now: float, shares: Mapping[str, Share]) -> None:
        """Begin a window: share among callers what may begin in it."""
        windows = self._windows(now)
        self._rolled_at = now
        asked_before, self._asked = self._asked, {name: share.asked for name, share in shares.items()}
        shed_before, self._shed = self._shed, {name: share.shed for name, share in shares.items()}
        asked = {name: share.asked - asked_before.get(name, 0) for name, share in shares.items()}
        shed = {name: share.shed - shed_before.get(name, 0) for name, share in shares.items()}
        admitted = sum(asked.values()) - sum(shed.values())
        for name, share in shares.items():
            share.used = 0
            share.is_flooding = shed[name] > max(_FLOOD * windows, 3 * admitted)
        self._rate += _SMOOTHING * (admitted / windows - self._rate)
        self._kept_up *= _FORGOTTEN**windows
        if self.delay <= self.target:
            self._kept_up = max(self._kept_up, self._rate)
        budget = self._limit * max(1.0, self._samples / windows) * _SLACK
        self._samples = 0
        self._share_out(budget, [count / windows for count in asked.values() if count > 0])

    def _share_out(self, budget: float, demands: list[float]) -> None:
        longer = max(1.0, self.delay / WINDOW_SECONDS)  # a window ends with a turn of the loop
        self._left = max(1.0, longer * _STEADY * self._rate)
        self._level = max(1.0, longer * fair_level(budget, demands))
        sure = max(_SURE * self._rate, _SURE_OF_USUAL * self._kept_up)
        self._sure = max(1.0, longer * fair_level(sure, demands)) if len(demands) > 1 else 1.0
