"""What one replica sees alone: a target whose circuit stays open, and one that comes and goes."""

from typing import Any

from gateway.rollout.alert_sources import DOWN_SECONDS, REFUSED_SECONDS, AlertSources
from gateway.rollout.recorder import Clock
from gateway.rollout.table import Table
from gateway.rollout.target_faults import Fault
from tests.support.trials import agent_named


async def test_a_circuit_that_stays_open_is_a_provider_that_is_down() -> None:
    """Not one that opens for a moment, and again later."""
    now, states = [100.0], dict[str, str]()
    store: Any = None
    sources = AlertSources(store, Table(), Clock(lambda: now[0], lambda: 1e9), lambda: states, lambda: None)
    states["p/m"] = "open"
    assert not [*await sources.here()]
    now[0] += DOWN_SECONDS
    (alert,) = await sources.here()
    assert (alert.id, alert.agent) == ("provider_down:p/m", "") and "opened after failures, 30 s ago" in alert.reason
    states.clear()
    assert not [*await sources.here()]
    states["p/m"] = "half_open"
    assert not [*await sources.here()]


async def test_a_refused_key_is_told_for_as_long_as_calls_meet_it() -> None:
    """Once for its provider, whatever the models; a model that the key does not open is another matter."""
    now = [100.0]
    store: Any = None
    sources = AlertSources(store, Table(), Clock(lambda: now[0], lambda: 1e9), lambda: {}, lambda: None)
    for target in ("p/m", "p/n"):
        sources.note_fault(target, Fault("refuses the gateway's credentials (HTTP 401)", "check it", is_key=True))
    sources.note_fault("q/m", Fault("is not open", "give it access"))
    (alert,) = await sources.here()
    assert alert.id == "provider_key_refused:p" and "HTTP 401" in alert.reason
    now[0] += REFUSED_SECONDS
    assert not [*await sources.here()]


async def test_the_agents_concerned_are_named() -> None:
    """The only one as the alert's agent; several in its words; a longer model's name is another target."""
    store: Any = None
    table, states, now = Table(), dict[str, str](), [100.0]
    agents = {name: agent_named(name) for name in ("alpha", "beta")}
    target = str(agents["alpha"].versions["v1"].target)
    sources = AlertSources(store, table, Clock(lambda: now[0], lambda: 1e9), lambda: states, lambda: None)

    async def found(name: str) -> tuple[str, bool]:
        states.clear()
        states[name] = "open"
        await sources.here()
        now[0] += DOWN_SECONDS
        (alert,) = await sources.here()
        return alert.agent, "used by alpha, beta" in alert.reason

    table.install({"alpha": agents["alpha"]})
    assert await found(target) == ("alpha", False) and await found(target[:-1]) == ("", False)
    table.install(agents)
    assert await found(target) == ("", True)
