"""Latest call of each conversation that a client named: feedback on a conversation is booked by it.

Kept here until the store has it, and bounded: what is beyond the bound can be scored by its call's id alone.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from gateway.calls import Outcome
from gateway.conversation import conversation_key

_MOST_WAITING = 5_000  # of one agent, each some 300 bytes; the store hears of them ten times a second

Named = tuple[str, str]  # a caller, and `conversation_key` of its name for a conversation


class Conversations:
    """The conversations of one replica that the store does not know of yet."""

    def __init__(self, most_waiting: int = _MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._waiting: dict[str, OrderedDict[Named, str]] = {}

    def note(self, outcome: Outcome) -> None:
        """Note a call that has ended, if a version answered it."""
        if outcome.end != "answered" or outcome.reason == "shadow":  # a shadow's copy bears its call's id
            return
        waiting = self._waiting.setdefault(outcome.agent, OrderedDict())
        named = outcome.caller, conversation_key(outcome.caller, outcome.conversation)
        waiting[named] = outcome.call_id
        waiting.move_to_end(named)
        if len(waiting) > self._most_waiting:
            waiting.popitem(last=False)

    def find(self, agent: str, named: Named) -> str | None:
        """The id of the call that answered last, if the store need not be asked."""
        waiting = self._waiting.get(agent)
        return waiting.get(named) if waiting else None

    def agents(self) -> Iterable[str]:
        """The agents that the store is to hear something of."""
        return self._waiting.keys()

    def of(self, agent: str) -> Mapping[Named, str]:
        """Return the names of one agent that wait to be flushed; they stay where they are."""
        waiting = self._waiting.get(agent)
        return dict(waiting) if waiting else {}

    def stored(self, agent: str, calls: Mapping[Named, str]) -> None:
        """The store has these. What was answered anew meanwhile still waits."""
        waiting: OrderedDict[Named, str] = self._waiting.get(agent, OrderedDict())
        for named, call_id in calls.items():
            if waiting.get(named) == call_id:
                del waiting[named]
        if not waiting:
            self._waiting.pop(agent, None)
