"""Admits calls to a trial's evidence, or censors them, by the circuits of both arms' targets on this replica.

What is admitted is decided by `policies.evidence.exposure`; this module knows the circuits and one count for each
agent.
"""

from dataclasses import dataclass, field

from gateway.call.circuits import Circuits
from gateway.calls import Outcome
from gateway.rollout.table import Entry
from gateway.rollout.weighing import unit_id
from policies.evidence.exposure import Exposure
from routing.plan import Plan


@dataclass(slots=True)
class Exposures:
    """The trials of one replica."""

    circuits: Circuits
    _by_agent: dict[str, Exposure] = field(default_factory=dict, init=False)

    def settle(self, outcome: Outcome, plan: Plan, entry: Entry) -> None:
        """Decide whether a call of a trial that has just come is evidence; such a call passes its target's circuit.

        Where both arms have the same target its circuit refuses them alike: it stays in force, and a call that it lets
        through is evidence.
        """
        canary = entry.split.canary
        if canary is None or canary.target == entry.split.stable.target:
            return
        exposure = self._by_agent.get(entry.agent.name)
        if exposure is None:
            exposure = self._by_agent[entry.agent.name] = Exposure()
        closed = self.circuits.is_closed
        stable_closed, canary_closed = closed(entry.split.stable.target), closed(canary.target)
        outcome.exposed = exposure.admits(stable_closed, canary_closed, plan.drawn or unit_id(plan.unit))
        outcome.censored = not outcome.exposed
