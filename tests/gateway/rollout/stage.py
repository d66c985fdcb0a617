"""A recorder on a stage: one outcome goes in, the batch that it ends up in comes out."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

from gateway import logs
from gateway.calls import Attempt, Outcome
from gateway.pricing import PriceBook
from gateway.rollout.recorder import Clock, Recorder
from gateway.store.seam import Batch

PRICES = PriceBook((), {})


@dataclass(slots=True)
class Stage:
    """A recorder, and what it logged."""

    out: io.BytesIO = field(default_factory=io.BytesIO)
    now: float = 100.0
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(logs.to(self.out), Clock(lambda: self.now, lambda: 1e9))

    def close(self, outcome: Outcome) -> Batch:
        """The batch in which a single outcome ends up."""
        self.recorder.close(outcome, PRICES)
        batch = self.recorder.take(outcome.agent)
        assert batch is not None
        return batch

    @property
    def asks_for_a_flush(self) -> bool:
        """Whether the agent is to be flushed at once."""
        return "a" in self.recorder.flush_requests

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def failing() -> Attempt:
    return Attempt("p/m", 99.5, status=500, failure="status", counts=True)
