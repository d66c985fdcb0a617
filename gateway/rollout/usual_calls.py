"""Usual calls: one good attempt of known usage and price, as most are. Those of one kind are counted together.

One look-up finds what a call has in common with others, and its outcome waits there. Some hundred outcomes, or those of
a second, are then added up kind by kind, which takes less for each.
"""

from collections.abc import Callable

from gateway.calls import Call, FormatName, Operation, Outcome, Usage

AT_ONCE = 100  # outcomes that are added up together, in some tenths of a millisecond
_MOST_KINDS = 5_000  # that are at hand: clients write the names of plain models
_NO_USAGE = Usage()

_KindKey = tuple[object, ...]


class CallKind:
    """Kind of usual calls, with all that they have in common: the `name` they are summed up under, and the `beginning`
    of their log lines.

    `outcomes` wait to be added up. `form` is '' for calls that metrics do not count.
    """

    __slots__ = ("beginning", "form", "name", "operation", "outcomes")

    def __init__(self, name: str, form: FormatName, operation: Operation, beginning: bytes) -> None:
        self.name = name
        self.form = form
        self.operation = operation
        self.beginning = beginning
        self.outcomes: list[Outcome] = []


class UsualCalls:
    """Usual calls of one replica that wait to be added up. `begin_line` makes what a kind's lines begin with."""

    def __init__(self, begin_line: Callable[[Outcome], bytes]) -> None:
        self._begin_line = begin_line
        self._kinds: dict[_KindKey, CallKind] = {}
        self._waiting: list[CallKind] = []
        self._size = 0
        self._second = 0

    def is_due(self, at: float) -> bool:
        """Return whether those that wait are to be added up before a call that ended at that time waits with them."""
        return self._size >= AT_ONCE or int(at) != self._second

    def note(self, outcome: Outcome, name: str, call: Call | None) -> CallKind:
        """Let a call wait; return its kind."""
        attempt = outcome.attempts[0]
        form, operation = (call.format, call.operation) if call is not None else ("", "generate")
        key = (
            outcome.agent, outcome.version, name, outcome.rollout, outcome.evidence, outcome.arm, outcome.reason,
            outcome.caller, form, operation, outcome.stream, outcome.status,
            outcome.censored, outcome.held, attempt.target, attempt.status, (attempt.usage or _NO_USAGE).estimated,
        )  # fmt: skip
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            kind = self._kinds[key] = CallKind(name, form, operation, self._begin_line(outcome))
        if not kind.outcomes:
            self._waiting.append(kind)
        kind.outcomes.append(outcome)
        self._size += 1
        return kind

    def take(self, at: float = 0.0) -> list[tuple[CallKind, list[Outcome]]]:
        """Return what waits, kind by kind, and forget it. `at` is when the next call that waits ended."""
        taken = [(kind, kind.outcomes) for kind in self._waiting]
        for kind in self._waiting:
            kind.outcomes = []
        self._waiting, self._size, self._second = [], 0, int(at)
        return taken


def is_usual(outcome: Outcome) -> bool:
    """Return whether the call was answered by one good attempt, whose usage and cost are known."""
    attempts = outcome.attempts
    if len(attempts) != 1 or outcome.end != "answered" or outcome.hedge is not None:
        return False
    attempt = attempts[0]
    if attempt.failure is not None or attempt.usage is None or attempt.cost_nano_usd is None:
        return False
    return not (attempt.counts or attempt.rejected or outcome.refusal)
