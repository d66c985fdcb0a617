"""Watch over one process: it measures the loop's delay, memory and files, and shuts the places while they are short."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.logs import Log
from gateway.overload.limiter import DelayLimiter
from gateway.overload.places import FairPlaces, Share, ShedReason
from gateway.overload.pressure import MemoryGauge, files_left
from gateway.overload.processor import ProcessorGauge
from gateway.overload.view import OverloadView

_SAMPLE_SECONDS: Final = 0.02
_SEEN_SAMPLES: Final = 3  # the smallest of which is shown
_LOOK_SECONDS: Final = 0.1
# Of the processor: with less work of its own a late loop waits for others, and shedding calls would not make it sooner.
_BUSY_SHARE: Final = 0.5
_MEMORY_SHUT, _MEMORY_OPEN = 0.90, 0.85  # of the limit
_FILES_SHUT, _FILES_OPEN = 64, 128  # left: what is open needs some, and who asks how the gateway is
_CALM_SECONDS: Final = 10.0  # without a shed call: then it is said that the overload is over, and not again and again
_EXHAUSTED_SECONDS: Final = 1.0  # without new calls after a connection could not be made


@dataclass(slots=True)
class _Spell:
    """A reason for which calls are shed: since when, how many had been before, how many by now, and when the last."""

    since: float
    first: int
    last: int
    at: float


class OverloadWatch:
    """The overload of one process. `calls` are its places, `providers` those at each provider, `sockets` those of
    WebSockets; `target` is the delay in seconds above which calls are shed, None for never. `monotonic` tells the time.
    """

    def __init__(
        self,
        calls: FairPlaces,
        providers: FairPlaces,
        sockets: FairPlaces,
        log: Log,
        monotonic: Callable[[], float],
        target: float | None,
        memory: MemoryGauge | None = None,
        files: Callable[[], int] = files_left,
    ) -> None:
        self.calls = calls
        self.providers = providers
        self.sockets = sockets
        self._log = log
        self._now = monotonic
        self._limiter = DelayLimiter(target) if target is not None else None
        self._memory = memory or MemoryGauge()
        self._files = files
        self._ratio = 0.0
        self._delays: deque[float] = deque([0.0], _SEEN_SAMPLES)
        self._looked_at = self._exhausted_at = float("-inf")
        self._shut: set[ShedReason] = set()
        self._spells: dict[ShedReason, _Spell] = {}
        self._seen: dict[ShedReason, int] = {}  # of reasons that are over: how many there had been
        calls.guard = self._decide

    async def run(self) -> None:
        """Watch, until cancelled."""
        processor = ProcessorGauge()
        while True:
            begun_at = self._now()
            await asyncio.sleep(_SAMPLE_SECONDS)
            woken_at = self._now()
            await asyncio.sleep(0)  # one whole turn of the loop
            now = self._now()
            self.look(max(woken_at - begun_at - _SAMPLE_SECONDS, now - woken_at), now, processor.share(now))

    def look(self, delay: float, now: float, busy: float = 1.0) -> None:
        """Take a sample of the delay, and look at memory and files if it is time. `busy` is the share of the processor
        that the loop has used lately."""
        self._delays.append(delay)
        if self._limiter is not None:
            self._limiter.see(delay if busy >= _BUSY_SHARE else 0.0, now, self.calls.shares)
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._ratio = self._memory.ratio()
            self._shut_by("memory", self._ratio >= _MEMORY_SHUT, self._ratio <= _MEMORY_OPEN)
            left, was_exhausted = self._files(), now - self._exhausted_at < _EXHAUSTED_SECONDS
            self._shut_by("files", was_exhausted or left < _FILES_SHUT, not was_exhausted and left >= _FILES_OPEN)
            self._tell(now)
        self.calls.is_guarded = bool(self._shut) or (self._limiter is not None and self._limiter.is_on)

    def note_exhausted(self) -> None:
        """Note that a connection could not be made for want of a file descriptor: new calls would fail likewise."""
        self._exhausted_at = self._now()
        self.calls.shed["files"] += 1
        self._shut.add("files")
        self.calls.is_guarded = True

    @property
    def is_short_of_memory(self) -> bool:
        """Return whether new calls are shed for want of memory."""
        return "memory" in self._shut

    def view(self) -> OverloadView:
        """Return the state as it was seen last."""
        shed: dict[str, int] = {reason: count for reason, count in self.calls.shed.items() if count}
        return OverloadView(tuple(sorted(self._spells)), shed, round(min(self._delays), 4), round(self._ratio, 4))

    def _decide(self, share: Share) -> ShedReason | None:
        if self._shut:
            return min(self._shut)
        return self._limiter.admits(share) if self._limiter is not None and self._limiter.is_on else None

    def _figures(self) -> dict[str, float | int]:
        """Return what an operator looks at first."""
        view = self.view()
        return {
            "delay_ms": round(view.delay * 1000), "memory_ratio": view.memory, "files_left": self._files(),
            "in_flight": self.calls.taken, "callers": sum(share.taken > 0 for share in self.calls.shares.values()),
        }  # fmt: skip

    def _shut_by(self, reason: ShedReason, shuts: bool, opens: bool) -> None:
        if shuts:
            self._shut.add(reason)
        elif opens:
            self._shut.discard(reason)

    def _tell(self, now: float) -> None:
        """Log what begins to be shed, and what has not been shed for a while."""
        for reason, count in self.calls.shed.items():
            spell = self._spells.get(reason)
            if spell is None:
                before = self._seen.get(reason, 0)
                if count > before:
                    self._spells[reason] = _Spell(now, before, count, now)
                    self._log.warning("overloaded", reason=reason, **self._figures())
            elif count > spell.last:
                spell.last, spell.at = count, now
            elif now - spell.at >= _CALM_SECONDS:
                del self._spells[reason]
                self._seen[reason] = count
                seconds = round(spell.at - spell.since, 1)
                self._log.info("overload_over", reason=reason, shed=count - spell.first, seconds=seconds)
