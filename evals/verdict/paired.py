"""The cases that changed between stable and the version under test, and what all of it proves.

One run of evidence goes through the whole evaluation. The suite comes first: of the cases on which the versions differ,
so many are worse and so many better. Then cases that newly fail are asked again, both versions afresh, and each gathers
evidence of its own; the mean of these multiplies the suite's. Fresh repeats owe nothing to what drew the attention to a
case, so the product is an e-value too, and one bar of 1/α holds for all of it (docs/decisions/0060).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals.verdict.evidence import flips_needed, log_e_value, log_mean

RunOutcome = bool | None  # of one repeat: it passed, it failed, or nothing could tell
RunPair = tuple[RunOutcome, RunOutcome]  # of the version under test, and of stable
FreshRuns = Mapping[str, Sequence[RunPair]]  # by case
Comparison = Literal["worse", "better", "same", "undecided"]

MOST_CONFIRMED = 20  # cases that are asked again: each costs some ten calls of each version
NO_FRESH_RUNS: FreshRuns = {}


@dataclass(frozen=True, slots=True)
class CasePair:
    """The outcomes of one case's repeats, of the version under test and of stable."""

    id: str
    candidate: tuple[RunOutcome, ...]
    stable: tuple[RunOutcome, ...]
    critical: bool = False

    @property
    def comparison(self) -> Comparison:
        """Return whether more or fewer repeats pass than with stable.

        Only repeats that are decided on both sides count, so that neither version has more chances than the other.
        """
        both = [
            (ours, theirs) for ours, theirs in zip(self.candidate, self.stable, strict=False) if _decided(ours, theirs)
        ]
        if not both:
            return "undecided"
        gain = sum(bool(ours) - bool(theirs) for ours, theirs in both)
        return "worse" if gain < 0 else "better" if gain else "same"

    @property
    def newly_fails(self) -> bool:
        """Return whether stable passes each repeat, and the version under test fails half of them or more."""
        return _flipped(self.stable, self.candidate)

    @property
    def newly_passes(self) -> bool:
        """Return whether the version under test passes each repeat, and stable fails half of them or more."""
        return _flipped(self.candidate, self.stable)

    @property
    def passes_always(self) -> bool:
        """Return whether the version under test passes each repeat: what is undecided does not pass."""
        return bool(self.candidate) and all(self.candidate)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The fresh repeats of a case that newly fails: `worse` of `repeats` failed where stable passed."""

    id: str
    worse: int
    better: int
    repeats: int

    @property
    def log_evidence(self) -> float:
        return log_e_value(self.worse, self.better)


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """Counts of cases that are worse, better, the same and undecided, and those that newly fail or pass.

    The latter are ids. Of the newly failing, critical cases come first.
    """

    worse: int
    better: int
    same: int
    undecided: int
    newly_failing: tuple[str, ...]
    newly_passing: tuple[str, ...]

    @property
    def log_evidence(self) -> float:
        """ln E of the suite alone."""
        return log_e_value(self.worse, self.better)


@dataclass(slots=True)
class RunningEvidence:
    """Evidence of the suite while it runs, case by case: the same as that of all pairs compared at once."""

    worse: int = 0
    better: int = 0

    def add(self, pair: CasePair) -> None:
        """Count a case that is finished."""
        self.worse += pair.comparison == "worse"
        self.better += pair.comparison == "better"

    def is_proved_worse(self, alpha: float = 0.05) -> bool:
        """Return whether the evidence has reached 1/α, before any fresh repeat."""
        return log_e_value(self.worse, self.better) >= -math.log(alpha)


def compare(pairs: Sequence[CasePair]) -> SuiteComparison:
    """Return how the cases changed. It may be asked while the suite runs, for those that are finished."""
    found = [pair.comparison for pair in pairs]
    failing = sorted((pair for pair in pairs if pair.newly_fails), key=lambda pair: not pair.critical)
    return SuiteComparison(
        worse=found.count("worse"),
        better=found.count("better"),
        same=found.count("same"),
        undecided=found.count("undecided"),
        newly_failing=tuple(pair.id for pair in failing),
        newly_passing=tuple(pair.id for pair in pairs if pair.newly_passes),
    )


def confirmations(compared: SuiteComparison, fresh: FreshRuns) -> tuple[Confirmation, ...]:
    """Return what fresh repeats say of each newly failing case, of the first `MOST_CONFIRMED`."""
    return tuple(_confirmation(case, fresh.get(case, ())) for case in compared.newly_failing[:MOST_CONFIRMED])


def log_evidence(compared: SuiteComparison, fresh: FreshRuns = NO_FRESH_RUNS) -> float:
    """Return ln E of the suite and of all fresh repeats."""
    found = confirmations(compared, fresh)
    return compared.log_evidence + (log_mean([one.log_evidence for one in found]) if found else 0.0)


def is_proved_worse(compared: SuiteComparison, fresh: FreshRuns = NO_FRESH_RUNS, alpha: float = 0.05) -> bool:
    """Return whether the evidence has reached 1/α.

    It may be asked after each case: a run that is lost can stop there.
    """
    return log_evidence(compared, fresh) >= -math.log(alpha)


def cases_to_confirm(compared: SuiteComparison, fresh: FreshRuns, alpha: float = 0.05) -> tuple[str, ...]:
    """Return the cases that both versions are to be asked once more, by id; none when nothing more can be learnt.

    A case is left once the repeats that remain to it could not carry the evidence to the bar.
    """
    found = confirmations(compared, fresh)
    if not found or is_proved_worse(compared, fresh, alpha):
        return ()
    bar = math.log(len(found)) - math.log(alpha) - compared.log_evidence
    most = 2 * flips_needed(bar)
    return tuple(one.id for one in found if log_e_value(one.worse + most - one.repeats, one.better) >= bar)


def _confirmation(case: str, runs: Sequence[RunPair]) -> Confirmation:
    decided = [(ours, theirs) for ours, theirs in runs if _decided(ours, theirs)]
    worse = sum(1 for ours, theirs in decided if theirs and not ours)
    better = sum(1 for ours, theirs in decided if ours and not theirs)
    return Confirmation(case, worse, better, len(runs))


def _decided(ours: RunOutcome, theirs: RunOutcome) -> bool:
    return ours is not None and theirs is not None


def _flipped(passing: Sequence[RunOutcome], failing: Sequence[RunOutcome]) -> bool:
    failed = sum(1 for outcome in failing if outcome is False)
    return bool(passing) and all(passing) and 2 * failed >= len(failing) > 0
