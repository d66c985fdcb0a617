"""Notes of the evidence against guardrails, for curves: one a minute of a trial, and one of every decision.

They are brought into the store after what was decided on that evidence: nothing waits for them.
"""

from dataclasses import dataclass

from gateway.rollout.measured import Ground, measure
from gateway.rollout.table import Entry
from gateway.store.intervals import GuardrailValues
from gateway.store.seam import Snapshot, Store
from policies.evidence.tally import Tally
from policies.guardrails.guardrails import Finding
from policies.rollout.rollout import Findings

_MOST = 1e300  # an e-value may be infinite, which JSON has no number for
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class _Judged:
    entry: Entry
    findings: Findings
    snapshot: Snapshot | None


class EvidenceNotes:
    """The notes of one replica that are still to be brought in, at most one an agent."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, _Judged] = {}
        self._minutes: dict[str, int] = {}

    def take(
        self, entry: Entry, findings: Findings, now: float, *, decided: bool, snapshot: Snapshot | None = None
    ) -> None:
        """Take a note of what was judged at that time of the store's clock, if it is due.

        Without a `snapshot`, the sums of the rollout are read when the note is brought in.
        """
        agent, minute = entry.agent.name, int(now // 60)
        if findings.assessment.findings and (decided or minute != self._minutes.get(agent)):
            self._minutes[agent] = minute
            self._waiting[agent] = _Judged(entry, findings, snapshot)

    async def bring_in(self, agent: str) -> None:
        """Bring the agent's note into the store, if there is one. Raises StoreAway; the note is lost then."""
        judged = self._waiting.pop(agent, None)
        if judged is None:
            return
        ground = _ground(judged, judged.snapshot or await self._store.snapshot(agent))
        found = {finding.guardrail.text: _values(finding, ground) for finding in judged.findings.assessment.findings}
        await self._store.note_evidence(agent, found)


def _ground(judged: _Judged, snapshot: Snapshot) -> Ground:
    """Return the ground that these findings are measured on; the sums are those of their rollout, or none."""
    state, intent = judged.entry.state, judged.entry.intent
    is_same = state is not None and snapshot.state is not None and snapshot.state.rollout == state.rollout
    tallies = snapshot.tallies if is_same else {}
    canary = intent.canary.version if intent.canary else ""
    frozen = state.frozen if state else {}
    stable = tallies.get(intent.stable.version) or Tally()
    return Ground(judged.findings.evidence, frozen, stable, tallies.get(canary) or Tally())


def _values(finding: Finding, ground: Ground) -> GuardrailValues:
    guardrail, measured = finding.guardrail, measure(finding, ground)
    limit: float | None = guardrail.limit
    if guardrail.relative:
        limit = None if measured.stable is None else measured.stable * guardrail.limit
    e_value = min(finding.e_value, _MOST)
    return GuardrailValues(_rounded(e_value) or 0.0, *map(_rounded, (measured.stable, measured.canary, limit)))


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.{_DIGITS}g}")
