"""Quarantine: what one replica may do alone while the store is away."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from gateway.rollout.quarantine import is_proven, sole_prover
from gateway.rollout.status import agent_view
from gateway.rollout.status_view import AgentView
from gateway.rollout.table import Entry, Table
from gateway.store import Batch
from gateway.store.seam import Arm, Sides, Snapshot
from policies.evidence.evidence import WHOLE
from policies.rollout.rollout import reconcile
from policies.rollout.state import Action
from routing.agents import RolloutStep
from tests.support.replicas import Replica, replicas
from tests.support.trials import agent_named, command

BY_ITS_COUNTS = "by what it has counted itself, until the store is back"


@pytest_asyncio.fixture
async def replica(redis_url: str) -> AsyncIterator[Replica]:
    async with replicas(redis_url, 1) as (replica,):
        yield replica


def entry_of(replica: Replica, agent: str) -> Entry:
    """What calls of the agent read at that replica."""
    entry = replica.table.entry(agent)
    assert entry
    return entry


def shown_by(entry: Entry) -> AgentView:
    """What that replica's status says, as if no call had been counted."""
    return agent_view(entry, Snapshot(entry.state, Sides(), {}, 0.0), {}, ())


def arm(*units: str, requests: int) -> Arm:
    return Arm(requests, len(units), bad={"errors": dict.fromkeys(units, WHOLE)})


def test_many_failing_units_are_a_proof() -> None:
    """Also where they wait in two batches: the one that may have been sent, and the one that gathers."""
    sent, gathered = Batch(1, 1, canary=arm("a", "b", requests=2)), Batch(1, 1, canary=arm("c", "d", "e", requests=3))
    assert is_proven({1: 500}, [sent, gathered])


def test_what_long_conversations_show_again_and_again_is_a_proof() -> None:
    """Most of stable's have failed once; those of the canary four times each."""
    stable, units = arm(*map(str, range(40)), requests=900), tuple("abcdefgh")
    canary = arm(*units, requests=40)
    assert not is_proven({1: 1000}, [Batch(1, 1, stable=stable, canary=canary)])
    canary.bad["errors#4"] = dict.fromkeys(units, WHOLE)
    assert is_proven({1: 1000}, [Batch(1, 1, stable=stable, canary=canary)])


def begun_earlier(stable: Arm, canary: Arm, step: int = 1) -> Batch:
    """Counts of the step of epoch 2, of conversations that began in an earlier one."""
    return Batch(1, 2, earlier={step: (stable, canary)})


def test_conversations_of_earlier_steps_are_a_proof_by_the_weight_of_their_step() -> None:
    """As where all replicas decide; a step that no longer counts proves nothing."""
    weights = {2: 5_000, 1: 500}
    assert is_proven(weights, [begun_earlier(Arm(), arm(*"abcde", requests=5))])
    assert not is_proven(weights, [Batch(1, 2, canary=arm(*"abcde", requests=5))])
    assert not is_proven(weights, [begun_earlier(arm(*map(str, range(95)), requests=95), arm(*"abcde", requests=5))])
    assert not is_proven({2: 5_000}, [begun_earlier(Arm(), arm(*"abcde", requests=5))])


def test_both_kinds_of_conversations_prove_together_what_neither_does_alone() -> None:
    """Also where a unit waits in two batches; and a canary's good calls count, whenever their conversations began."""
    sent, gathered = begun_earlier(Arm(), arm("a", "b", requests=2)), begun_earlier(Arm(), arm("b", "c", requests=2))
    gathered.canary = arm("d", "e", "f", "g", requests=4)
    weights = {2: 1_000, 1: 500}
    assert is_proven(weights, [sent, gathered])
    assert not is_proven(weights, [Batch(1, 2, canary=gathered.canary)])
    assert not is_proven(weights, [begun_earlier(Arm(), arm("a", "b", "c", requests=3))])
    gathered.earlier[1] = (Arm(), arm("b", "c", requests=9_000))
    assert not is_proven(weights, [sent, gathered])


@pytest.mark.parametrize(
    "stable, canary",
    [
        (Arm(), Arm()),
        (Arm(), arm("a", "b", requests=2)),
        (Arm(), arm("a", "b", "c", requests=10_000)),
        (arm(*"abcdefghijklmnopqrst", requests=20), arm("a", "b", "c", requests=3)),
    ],
    ids=["no calls", "two units", "rare failures", "an outage of both arms"],
)
def test_what_proves_nothing(stable: Arm, canary: Arm) -> None:
    """A replica that is on its own wants stronger proof than all of them together."""
    assert not is_proven({1: 500}, [Batch(1, 1, stable=stable, canary=canary)])


async def test_while_the_store_is_away_a_proven_failure_is_kept_off(replica: Replica, agent: str) -> None:
    """This replica alone serves stable; when the store is back everyone is told, and the record decides."""
    await replica.configure(agent_named(agent))
    with replica.store.faulty("flush"):
        for unit in range(8):
            replica.fail(agent, str(unit))
        await replica.controller.finish()
    entry = entry_of(replica, agent)
    assert entry.is_quarantined and entry.split.canary is None
    shown = shown_by(entry)
    assert (shown.weight, shown.measure_here) == (0.0, f"this replica sends every call to v1, {BY_ITS_COUNTS}")
    assert replica.state(agent).phase == "running"
    await replica.controller.finish()
    entry = entry_of(replica, agent)
    assert not entry.is_quarantined
    assert replica.state(agent).phase == "rolled_back"


async def test_a_canary_that_fails_conversations_of_an_earlier_step_is_kept_off(replica: Replica, agent: str) -> None:
    """Whoever began in the first step goes on in the second one, and is all that calls."""
    await replica.configure(agent_named(agent, steps=(RolloutStep(500), RolloutStep(5_000))))
    first = replica.state(agent).evidence
    await replica.commands.act(agent, replica.state(agent).epoch, command("promote"))
    assert replica.state(agent).earlier == ((first, 500),)
    with replica.store.faulty("flush"):
        for unit in range(8):
            replica.fail(agent, str(unit), origin=first)
        await replica.controller.finish()
    entry = entry_of(replica, agent)
    assert entry.is_quarantined


async def test_quarantine_is_lifted_when_the_store_is_back(replica: Replica, agent: str) -> None:
    """With a poll that reaches it: where no replica has decided anything else, the canary is on trial again."""
    await replica.configure(agent_named(agent))
    replica.table.quarantine(agent)
    with replica.store.faulty("read", "snapshot"):
        await replica.controller.poll()
        entry = entry_of(replica, agent)
        assert entry.is_quarantined
    await replica.controller.poll()
    await replica.controller.poll()
    entry = entry_of(replica, agent)
    assert not entry.is_quarantined and entry.split.weight == 500


async def test_little_proof_changes_nothing(replica: Replica, agent: str) -> None:
    """An outage of the store alone is no reason to stop a trial."""
    await replica.configure(agent_named(agent))
    with replica.store.faulty("flush"):
        replica.fail(agent, "a")
        await replica.controller.finish()
    entry = entry_of(replica, agent)
    assert not entry.is_quarantined and entry.split.weight == 500


def of(party: str, *units: str) -> Batch:
    """Failing calls of one party on the canary."""
    canary = Arm(
        len(units), len(units), bad={"errors": dict.fromkeys(units, WHOLE)}, party_of=dict.fromkeys(units, party),
        requests_of={party: len(units)},
    )  # fmt: skip
    return Batch(1, 1, canary=canary, parties={party})


def test_one_of_several_parties_proves_it_for_itself_alone() -> None:
    """Its calls are kept off the canary; the others' may still be well."""
    batches = [of("c1", *"abcdef"), of("c2", "g")]
    assert not is_proven({1: 500}, batches) and sole_prover({1: 500}, batches) == "c1"
    assert sole_prover({1: 500}, [of("c1", "a", "b"), of("c2", "g", "h")]) is None
    assert sole_prover({1: 500}, [of("c1", "a"), of("c2", "g")]) is None


async def test_while_the_store_is_away_one_party_is_kept_off(replica: Replica, agent: str) -> None:
    """The others stay on trial; when the store is back the record excludes it for all replicas."""
    await replica.configure(agent_named(agent))
    with replica.store.faulty("flush"):
        for unit in range(8):
            replica.fail(agent, str(unit), "c1")
        replica.fail(agent, "other", "c2")
        await replica.controller.finish()
    entry = entry_of(replica, agent)
    assert entry.excluded == {"c1"} and entry.on_trial
    assert replica.state(agent).excluded == ()
    shown = shown_by(entry)
    assert (shown.weight, shown.excluded) == (0.05, None)
    assert shown.measure_here == f"this replica keeps the canary from one caller (c1), {BY_ITS_COUNTS}"
    await replica.controller.finish()
    entry = entry_of(replica, agent)
    assert not entry.excluded_here
    assert (replica.state(agent).phase, replica.state(agent).excluded) == ("running", ("c1",))


@pytest.mark.parametrize(
    ("action", "actor", "words"),
    [
        ("pause", "kim", "a person paused it"),
        ("pause", "controller", "the controller paused it"),
        ("set_weight", "kim", "it is paused"),
    ],
)
def test_a_paused_trial_says_who_paused_it(action: Action, actor: str, words: str) -> None:
    """As far as the last change of the record tells."""
    here = Table()
    here.install({"support": agent_named("support")})
    entry = here.entry("support")
    started = reconcile(None, entry.intent, now=0.0) if entry else None
    assert started
    here.turn("support", replace(started.state, phase="paused", action=action, actor=actor))
    assert (paused := here.entry("support")) and shown_by(paused).waits_for[0] == words
