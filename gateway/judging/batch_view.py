"""Answer to an operator who has recorded calls graded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JudgeBatchView:
    """A page of calls that were looked at, and what the judge found of those that it was asked about.

    `stopped` says why it went no further, '' where it may go on at `next`. `is_over`: nothing is left.
    """

    looked_at: int
    judged: int
    passed: int
    undecided: int
    cost_usd: float
    stopped: str
    next: str | None
    is_over: bool
