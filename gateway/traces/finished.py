"""Finished calls that wait to be recorded: the moment at which a call's record begins.

A call only puts its outcome into a bounded queue. Whoever writes or exports records takes them out later, off the path.
"""

from collections import deque
from collections.abc import Callable

from gateway.calls import Call, Outcome
from gateway.clock_offset import unix_offset
from gateway.conversation import conversation_key
from gateway.formats.returned_tools import count_returned
from gateway.heard import HeardCall
from gateway.tool_use import MOST_TOOLS, ReturnedTools
from gateway.traces.record import CallRecord, Finished, record_of

MOST_WAITING = 4_000  # some 2 KB each
_LONGEST = 512  # characters of a client's names that are held


class FinishedCalls:
    """The finished calls of one replica. `dropped` counts those for which there was no room."""

    def __init__(self, monotonic: Callable[[], float], unix: Callable[[], float], most: int = MOST_WAITING) -> None:
        self._monotonic = monotonic
        self._unix = unix
        self._most = most
        self._waiting: deque[tuple[object, ...]] = deque()
        self.dropped = 0

    def note(self, outcome: Outcome, call: Call, returned: ReturnedTools) -> None:
        """Keep a call that has ended until it is recorded; a full queue drops it. Never waits.

        `returned` are the tool results that its request brought.
        """
        waiting = self._waiting
        if not call.opening and (len(call.named) > _LONGEST or len(outcome.conversation) > _LONGEST):
            _cut(outcome, call)
        if len(waiting) >= self._most:
            self.dropped += 1
            return
        waiting.append(  # a plain tuple: to call a class with so many values takes as long as all else here
            (
                outcome, call.format, call.named, call.opening, call.trace_parent, call.sub_agent,
                returned, call.nonce, outcome.heard,
                len(returned) if len(returned) < MOST_TOOLS else count_returned(call.document.values),
            )
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, most: int) -> list[CallRecord]:
        """Return the records of the oldest calls that wait, and forget them."""
        return [record for record, _ in self.take_heard(most)]

    def take_heard(self, most: int) -> list[tuple[CallRecord, HeardCall | None]]:
        """Return them with what was heard of those calls whose texts are to be recorded."""
        offset = unix_offset(self._unix, self._monotonic)
        waiting = self._waiting
        taken = [Finished._make(waiting.popleft()) for _ in range(min(most, len(waiting)))]
        return [(record_of(each, offset), each.heard) for each in taken]


def _cut(outcome: Outcome, call: Call) -> None:
    """Hold a digest in place of a client's long name: a queue of them must not fill the memory."""
    if outcome.conversation:
        outcome.conversation = conversation_key(outcome.caller, outcome.conversation)
    call.named = conversation_key(outcome.caller, call.named)
