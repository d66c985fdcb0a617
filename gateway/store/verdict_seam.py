"""Seam of the store for verdicts of judges: one for each judged call, their sums, and labels of people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.judging.agreement import Agreement
from gateway.judging.verdict import JudgeVerdict

VERDICT_SECONDS: Final = 7 * 24 * 3600  # a call is kept no longer
CLAIM_SECONDS: Final = 900  # longer than two questions to a judge take; then another replica may try
MOST_VERDICTS: Final = 10_000  # of one agent on one day: some 10 MB
UNDECIDED: Final = "undecided"  # in place of a verdict: the judge gave no grade, and is not asked again


@dataclass(frozen=True, slots=True)
class VersionVerdicts:
    """Sums of a judge's verdicts on one version: `score` and `squares` add the scores (0…1) and their squares."""

    judged: int = 0
    passed: int = 0
    score: float = 0.0
    squares: float = 0.0
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class JudgeSums:
    """Sums of one judge in one rollout, over all replicas, by version; `nano_usd` is what its calls of today cost, with
    what is reserved."""

    versions: dict[str, VersionVerdicts]
    agreement: Agreement
    nano_usd: int


class VerdictStore(Protocol):
    """The store's part for judges."""

    async def claim_verdict(self, agent: str, names: Sequence[str], seconds: int) -> bool:
        """Claim all of these names for this replica, or none: nobody else gets them until then, or until a verdict."""

    async def release_claim(self, agent: str, names: Sequence[str]) -> None:
        """Give up claims that led to no verdict."""

    async def keep_verdict(self, key: str, verdict: JudgeVerdict, rollout: int) -> bool:
        """Keep the verdict on the call of that key, and count it; False where the call has one, and nothing changes."""

    async def keep_undecided(self, agent: str, key: str, judge: str, version: str, rollout: int) -> None:
        """Keep and count that a judge gave no grade for the call of that key, unless the call has a verdict."""

    async def find_verdicts(self, agent: str, keys: Sequence[str]) -> dict[str, JudgeVerdict]:
        """Return the verdicts on the calls of these keys, by key, as far as there are any."""

    async def were_judged(self, agent: str, keys: Sequence[str]) -> frozenset[str]:
        """Return those of these calls that a judge was asked about, or is being asked about."""

    async def reserve_for_judge(self, agent: str, day: str, nano_usd: int, most: int) -> bool:
        """Reserve money of the day for one call of a judge, over all replicas; False where that would be above `most`.

        A reservation whose fate is unknown stays: rather too few calls than one too many.
        """

    async def settle_for_judge(self, agent: str, day: str, nano_usd: int) -> None:
        """Add the difference of what a call cost and what was reserved for it."""

    async def judge_sums(self, agent: str, judge: str, rollout: int, day: str) -> JudgeSums:
        """Return the sums of an agent's judge."""

    async def agreement(self, agent: str, judge: str) -> Agreement:
        """Return how far people and the judge of that digest agree."""

    async def count_label(self, agent: str, judge: str, *, judge_passes: bool, person_passes: bool) -> None:
        """Count one label of a person on a call that the judge has judged. Count each label once."""
