"""Results of an evaluation, as verdicts are drawn from and reports are written from."""

from dataclasses import dataclass, field

from evals.answer import CaseAnswer
from evals.cases import Case, Suite
from evals.checks.scores import CaseScore
from evals.verdict.paired import CasePair, RunOutcome
from evals.verdict.verdict import SuiteVerdict
from routing.agents import AgentVersion


@dataclass(frozen=True, slots=True)
class CaseRun:
    """A repeat of a case. Without a score it is undecided, and `undecided` says why; with `is_kept` it was kept."""

    answer: CaseAnswer | None = None
    score: CaseScore | None = None
    undecided: str = ""
    is_kept: bool = False

    @property
    def outcome(self) -> RunOutcome:
        """Return whether it passed, None where nothing could tell."""
        return None if self.score is None or self.score.undecided else self.score.passed


@dataclass(slots=True)
class CaseResult:
    """The repeats of a case, by both versions. `fresh` are those that confirm a new failure: (candidate, stable)."""

    case: Case
    candidate: list[CaseRun] = field(default_factory=list)
    stable: list[CaseRun] = field(default_factory=list)
    fresh: list[tuple[CaseRun, CaseRun]] = field(default_factory=list)

    @property
    def pair(self) -> CasePair:
        """Return the outcomes alone."""
        candidate, stable = (tuple(run.outcome for run in runs) for runs in (self.candidate, self.stable))
        return CasePair(self.case.id, candidate, stable, self.case.critical)


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """An evaluation that has ended. `stable` is None where the version was not compared with another.

    `margin` is the share of such cases on which it might be worse. `left_out` counts cases that were not asked because
    the verdict was certain before. Seconds are Unix seconds.
    """

    agent: str
    candidate: AgentVersion
    stable: AgentVersion | None
    suite: Suite
    repeat: int
    results: tuple[CaseResult, ...]
    verdict: SuiteVerdict
    began: float
    ended: float
    spent_nano_usd: int
    left_out: int = 0
    margin: float = 0.05

    @property
    def has_passed(self) -> bool:
        return self.verdict.status == "passed"
