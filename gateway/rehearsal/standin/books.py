"""Books of the stand-in: calls, faults and tokens per model."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Bill(NamedTuple):
    """Tokens charged with one piece of an answer; `cached` is a part of `prompt`."""

    prompt: int
    cached: int
    completion: int


@dataclass(slots=True)
class Counts:
    """Books of one model.

    `faults` counts every fault by name when it begins, `refused` among them for requests the stand-in itself turns
    down. `ok` counts whole answers without a fault. `cancelled` counts clients that left before the end, whatever the
    call was doing. `open` is in flight now. Tokens are charged as they go out: a cut answer is charged up to its cut.
    """

    requests: int = 0
    ok: int = 0
    cancelled: int = 0
    open: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    faults: dict[str, int] = field(default_factory=dict)


class EndedCall(NamedTuple):
    """A call that has ended, with what it was charged by then."""

    model: str  # "" where the request was refused before its model was known
    request: bytes  # the body
    fault: str | None
    is_whole: bool  # False where the client left before the end
    bill: Bill


Ledger = Callable[[EndedCall], None]


class BookedCall:
    """A call in the books, from its arrival to exactly one of `finish` and `cancel`."""

    __slots__ = ("_bill", "_counts", "_fault", "_tell")

    def __init__(self, counts: Counts, fault: str | None, tell: Callable[[bool, Bill], None] | None = None) -> None:
        self._counts = counts
        self._fault = fault
        self._tell = tell
        self._bill = Bill(0, 0, 0)
        counts.requests += 1
        counts.open += 1
        if fault is not None:
            counts.faults[fault] = counts.faults.get(fault, 0) + 1

    def charge(self, bill: Bill) -> None:
        counts = self._counts
        counts.prompt_tokens += bill.prompt
        counts.cached_tokens += bill.cached
        counts.completion_tokens += bill.completion
        if self._tell is not None:
            self._bill = Bill(*(sum(each) for each in zip(self._bill, bill, strict=True)))

    def finish(self) -> None:
        self._counts.open -= 1
        if self._fault is None:
            self._counts.ok += 1
        self._end(True)

    def cancel(self) -> None:
        self._counts.open -= 1
        self._counts.cancelled += 1
        self._end(False)

    def _end(self, is_whole: bool) -> None:
        if self._tell is not None:
            self._tell(is_whole, self._bill)


class Books:
    """Counts by model name; the name `""` holds requests refused before their model was known.

    A `ledger` is told of each call when it ends.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._models: dict[str, Counts] = {}
        self._ledger = ledger

    def open(self, model: str, fault: str | None, request: bytes = b"") -> BookedCall:
        counts = self._models.get(model)
        if counts is None:
            counts = self._models[model] = Counts()
        ledger = self._ledger
        if ledger is None:
            return BookedCall(counts, fault)
        return BookedCall(counts, fault, lambda whole, bill: ledger(EndedCall(model, request, fault, whole, bill)))

    def counts(self, model: str) -> Counts:
        """A copy of a model's books as they are now."""
        counts = self._models.get(model, Counts())
        return replace(counts, faults=dict(counts.faults))

    def all(self) -> dict[str, Counts]:
        return {model: self.counts(model) for model in self._models}

    def reset(self) -> None:
        """Back to zero; what is in flight stays open and is booked when it ends."""
        for counts in self._models.values():
            counts.requests = counts.ok = counts.cancelled = 0
            counts.prompt_tokens = counts.cached_tokens = counts.completion_tokens = 0
            counts.faults.clear()
