"""The circuits of one replica, one for each target: their state, and what the end of an attempt means for them."""

from collections.abc import Callable
from math import ceil

from gateway.calls import Outcome
from gateway.errors import ProviderError
from gateway.runtime import CircuitRules
from policies.calls.retry import Circuit, tells_ill_health
from routing.chain import Target

_MOST_CIRCUITS = 4096  # of plain models clients write the names


class Circuits:
    """Every target's circuit on this replica. `monotonic` tells the time in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_target: dict[str, Circuit] = {}
        self._most = _MOST_CIRCUITS

    def states(self) -> dict[str, str]:
        """Return the state of every target's circuit that is not closed."""
        now = self._monotonic()
        states = {target: circuit.state(now) for target, circuit in self._by_target.items()}
        return {target: state for target, state in states.items() if state != "closed"}

    def is_closed(self, target: Target) -> bool:
        """Return whether the target's circuit is closed; a target that was never asked has a closed one."""
        circuit = self._by_target.get(target.name)
        return circuit is None or circuit.state(self._monotonic()) == "closed"

    def trust(self, target: Target) -> None:
        """Close the target's circuit, so that a new trial is judged on calls of its own, not on refusals."""
        if circuit := self._by_target.get(target.name):
            circuit.succeeded()

    def of_target(self, target: Target, rules: CircuitRules) -> Circuit:
        """Return the target's circuit, made by these rules if it is the first time."""
        name = target.name
        circuit = self._by_target.get(name)
        if circuit is None:
            if len(self._by_target) >= self._most:
                self._forget_idle()
            circuit = self._by_target[name] = Circuit(rules.failures, rules.open_for)
        return circuit

    def by_name(self, target: str) -> Circuit:
        """Return the circuit of a target that an attempt was made at."""
        return self._by_target.get(target) or Circuit(1, 0.0)  # idle when it was forgotten

    def _forget_idle(self) -> None:
        """Forget targets without trouble or use; where that is no help, wait until there are twice as many."""
        now = self._monotonic()
        self._by_target = {name: each for name, each in self._by_target.items() if not each.is_idle(now)}
        self._most = max(_MOST_CIRCUITS, 2 * len(self._by_target))

    def report(self, circuit: Circuit, error: ProviderError | None, party: str) -> None:
        """Tell the circuit how a party's attempt ended; None when it went well."""
        if error is None:
            circuit.succeeded(party, self._monotonic())
        elif tells_ill_health(error.kind, error.upstream_status):
            circuit.failed(self._monotonic(), party)
        elif error.kind in ("untranslatable", "exhausted"):
            circuit.abandoned()
        elif error.kind != "circuit_open":
            circuit.succeeded(party, self._monotonic())


def refusal(target: Target, rules: CircuitRules) -> ProviderError:
    """Return the error of an attempt that the target's open circuit refuses."""
    later = (b"retry-after", str(ceil(rules.open_for)).encode())
    return ProviderError("circuit_open", f"{target} has failed too often; its circuit is open", headers=[later])


def weigh_refusal(outcome: Outcome, circuit: Circuit, *, compared: bool) -> None:
    """Decide what the refusal of a call's latest attempt says about the version.

    While a circuit is open, what it refuses stands for what would have failed. While a probe asks how the target is,
    nobody knows, and a refusal beside it says nothing of the version (decision 11). Where there is a control to compare
    with, no refusal is evidence (decision 19).
    """
    refused = outcome.attempts[-1]
    refused.counts = circuit.state(refused.started_at) == "open"
    outcome.censored |= compared and len(outcome.attempts) == 1
