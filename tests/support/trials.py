"""Agents on trial, and replicas over a real store, in whose record's time a test may travel."""

import uuid
from collections.abc import Iterable
from dataclasses import replace

from gateway.calls import ArmName, Attempt, End, Outcome, Usage
from gateway.pricing import PriceBook
from gateway.rollout.table import Entry
from gateway.store import Batch, RedisStore
from gateway.store.seam import Arm
from policies.evidence.evidence import WHOLE
from policies.evidence.tally import Tally, amount_bucket, histogram_bucket
from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from policies.rollout.rollout import change, reconcile
from policies.rollout.state import State
from policies.rollout.verbs import Command
from routing.agents import Agent, AgentVersion, RolloutStep
from routing.assignment import Reason
from routing.chain import Target
from tests.support.decisions import cells_of
from tests.support.replicas import Replica

PRICES = PriceBook((), {})
STEPS = (RolloutStep(500, 60.0), RolloutStep(2500, 60.0, approval=True), RolloutStep(10_000, 60.0))


def agent_named(
    name: str,
    canary: str | None = "v2",
    weight: int = 500,
    *,
    stable: str = "v1",
    steps: tuple[RolloutStep, ...] = (),
    guardrails: tuple[str, ...] = DEFAULT_GUARDRAILS,
) -> Agent:
    """An agent of three versions; without `steps` the canary gets a plain weight."""
    versions = {each: AgentVersion(each, Target("standin", each)) for each in ("v1", "v2", "v3")}
    steps_of_agent = (steps or (RolloutStep(weight),)) if canary else ()
    return Agent(name, versions, stable, canary, steps_of_agent, guardrails=guardrails)


def begun(agent: Agent) -> State:
    """The record with which the agent's trial begins."""
    decision = reconcile(None, Entry.of(agent, None).intent, now=0.0)
    assert decision
    return decision.state


def command(verb: str, **more: object) -> Command:
    """What a person asks for."""
    return replace(Command(verb, "kim", "because"), **more)  # type: ignore[arg-type]  # its own fields


def call(
    state: State, agent: str, arm: ArmName, unit: str, *, seconds: float = 0.1, tokens: int = 100, cost: int = 1000
) -> Outcome:
    """A good call that took so long; close it at a clock that says `seconds`."""
    attempt = Attempt("p/m", 0.0, status=200, usage=Usage(tokens, 0, 0, 0), cost_nano_usd=cost)
    return Outcome(
        call_id="c", caller="open", agent=agent, version="v2" if arm == "canary" else "v1", reason="split",
        unit=unit, rollout=state.rollout, evidence=state.evidence, arm=arm, stream=False, received_at=-seconds,
        attempts=[attempt], end="answered", status=200,
    )  # fmt: skip


def healthy(state: State, stable: int = 600, canary: int = 40) -> Batch:
    """What a step in which nothing is wrong has counted; of stable enough that thresholds can be taken."""
    tally = Tally(requests=stable)
    tally.latency[histogram_bucket(0.1)] = stable
    tally.cost[amount_bucket(1000)] = stable
    units = {f"{number:016x}" for number in range(canary)}
    return Batch(state.rollout, state.evidence, cells_of({"v1": tally}), Arm(stable), Arm(canary, units=units))


def failing(state: State, units: Iterable[str]) -> Batch:
    """Each of these units of the canary failed a call."""
    bad = dict.fromkeys(units, WHOLE)
    return Batch(state.rollout, state.evidence, canary=Arm(len(bad), len(bad), bad={"errors": bad}))


async def bring_in(replica: Replica, agent: str, batch: Batch) -> None:
    """Count that batch as another replica would: sequences are each replica's own."""
    other = RedisStore(replica.store._client, uuid.uuid4().hex)
    await other.flush(agent, 1, batch)


async def age(replica: Replica, agent: str, seconds: float) -> None:
    """Let the record's step have begun so much earlier."""
    state = replica.state(agent)
    decision = change(state, state.changed_at, began_at=state.began_at - seconds)
    committed = await replica.store.commit(agent, decision, "digest")
    assert committed.won and committed.state
    replica.table.turn(agent, committed.state)


def outcome(
    arm: ArmName | None = "stable", *attempts: Attempt, end: End = "answered", reason: Reason = "split", unit: str = "u"
) -> Outcome:
    return Outcome(
        call_id="c", caller="web", agent="a", version="v2" if arm == "canary" else "v1", reason=reason,
        unit=unit, rollout=3, evidence=5, arm=arm, stream=False, received_at=99.5, end=end, status=200,
        attempts=list(attempts) or [Attempt("p/m", 99.5, status=200)],
    )  # fmt: skip
