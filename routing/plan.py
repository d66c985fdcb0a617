"""The Plan of a call: which version serves it, why, and where the attempts go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from routing.agents import Agent, AgentVersion
from routing.assignment import (
    BUCKETS,
    Reason,
    bucket,
    hedge_salt,
    in_canary,
    salt,
    shadow_salt,
    unit_of,
)  # fmt: skip
from routing.chain import HUMAN, ChainTarget, Target, chain
from routing.facts import Facts
from routing.rules import first_match

SEEN = BUCKETS // 2  # of a trial's units are never hedged, on both arms alike: there all shows that a version does


@dataclass(frozen=True, slots=True)
class Split:
    """Current split of an agent's traffic: the record's word, not the configuration's.

    `weight` is the canary's share in basis points; 0 sends every unit to stable. `withdrawn` names the versions that
    were rolled back: rules towards them no longer hold, only a pin reaches them. `step` is the epoch in which the
    running step began, and `kept` maps the digests of the versions that conversations under way may keep. `earlier` are
    the epochs of earlier steps whose conversations are evidence (decision 33).
    """

    stable: AgentVersion
    canary: AgentVersion | None = None
    weight: int = 0
    salt: str = ""
    withdrawn: frozenset[str] = frozenset()
    step: int = 0
    kept: Mapping[str, AgentVersion] = field(default_factory=dict)
    earlier: frozenset[int] = frozenset()

    @classmethod
    def trial(cls, agent: str, stable: AgentVersion, canary: AgentVersion, weight: int) -> "Split":
        """The split of a running rollout."""
        return cls(stable, canary, weight, salt(agent, canary.digest))


class Beginning(NamedTuple):
    """Beginning of a conversation: the step's epoch, the version's digest, and the canary's weight.

    Where a later turn has another unit than the first, `drawn` is the id of that first unit, whose bucket drew the arm.
    Then `step` is negative, 0 where no weight has drawn it: so nobody takes the later unit's own bucket for the draw.
    """

    step: int
    digest: str
    weight: int = 0
    drawn: str = ""


@dataclass(slots=True)  # its fields are read time and again, which takes much longer with a tuple's
class Plan:
    """unit → version with its reason, and the chain of targets to try.

    `origin` is the epoch of the earlier step in which the conversation began, where it is evidence by that step's
    weight. `held` says that no weight drew the arm of its conversation: it is no evidence, on neither arm. `drawn` is
    the id of the unit whose bucket drew the arm, where that is not `unit`. `begins` says that it is the unit's first
    call, as far as anybody knows.
    """

    version: AgentVersion
    reason: Reason
    unit: str
    targets: tuple[ChainTarget, ...]
    held: bool = False
    origin: int = 0
    drawn: str = ""
    begins: bool = False


def route(agent: Agent, split: Split, facts: Facts, pin: str | None = None) -> Plan:
    """Decide who serves the call: a pin first, then the rules, then the split.

    Raises KeyError when `pin` names no version of the agent.
    """
    unit = unit_of(agent.sticky, facts)
    version, reason = _choose(agent, split, facts, pin, unit)
    return Plan(version, reason, unit, chain(version.target, agent.fallback))


def arm_of_unit(split: Split, unit: str) -> AgentVersion:
    """Return the version that serves a unit by its weight alone."""
    if split.canary is not None and in_canary(split.salt, unit, split.weight):
        return split.canary
    return split.stable


def keep(agent: Agent, split: Split, plan: Plan, begun: Beginning) -> Plan:
    """Return the plan of a call by the split whose conversation began there: on the version that it began on.

    It moves where that version is no longer among those to keep, and off a canary whose weight was lowered below it:
    that is a person's word. In the step in which it began it is where the split put it, unless a replica with other
    files did.
    """
    if begun.step == split.step and begun.digest == plan.version.digest:
        return plan
    version = split.kept.get(begun.digest, plan.version)
    if version is split.canary and begun.weight > split.weight and not _stays(split, plan.unit, begun):
        version = split.stable
    step = _drawn_in(split, plan.unit, begun, version)
    held = not step and (split.canary is not None or version is not plan.version)
    origin = step if step != split.step else 0
    if version is plan.version:
        return replace(plan, held=held, origin=origin, drawn=begun.drawn)
    targets = chain(version.target, agent.fallback)
    return replace(plan, version=version, targets=targets, held=held, origin=origin, drawn=begun.drawn)


def _stays(split: Split, unit: str, begun: Beginning) -> bool:
    """Return whether a conversation stays on the canary, whose weight was lowered below that of its beginning.

    All turns of a conversation give the same answer: a later turn's unit has no bucket in this draw.
    """
    if not begun.drawn:
        return in_canary(split.salt, unit, split.weight)
    return bucket(split.salt, begun.drawn) * begun.weight < split.weight * BUCKETS


def _drawn_in(split: Split, unit: str, begun: Beginning, version: AgentVersion) -> int:
    """Return the step whose weight drew the arm that the conversation is still on, 0 where it is no evidence."""
    if split.canary is None or version.digest != begun.digest:
        return 0
    if begun.drawn:
        is_counted = -begun.step == split.step or -begun.step in split.earlier
        return -begun.step if is_counted and (version is split.canary or version is split.stable) else 0
    if begun.step not in split.earlier:
        return 0
    arm = split.canary if in_canary(split.salt, unit, begun.weight) else split.stable
    return begun.step if version is arm else 0


def shadowed(agent: Agent, plan: Plan) -> Plan | None:
    """The plan of a copy of that call for the agent's shadow: its own target and no other. None for no copy.

    A unit is copied always or never, so that whole conversations are. Pinned and rule-matched calls are not copied.
    """
    shadow = agent.shadow
    if shadow is None or plan.reason != "split":
        return None
    version = agent.versions[shadow.version]
    if bucket(shadow_salt(agent.name, version.digest), plan.unit) >= shadow.sample:
        return None
    return Plan(version, "shadow", plan.unit, (version.target,))


def is_seen(agent: Agent, plan: Plan) -> bool:
    """Return whether the call is of a unit that is not hedged while the agent's canary is on trial."""
    if agent.canary is None:
        return False
    return bucket(hedge_salt(agent.name, agent.versions[agent.canary].digest), plan.unit) < SEEN


def hedge_targets(plan: Plan) -> tuple[Target, ...]:
    """Return the targets of a second attempt beside the first, in order. A person is never a second attempt."""
    return tuple(target for target in plan.targets[1:] if target != HUMAN)


def _choose(agent: Agent, split: Split, facts: Facts, pin: str | None, unit: str) -> tuple[AgentVersion, Reason]:
    if pin is not None:
        return agent.versions[pin], "pin"
    rules = [rule for rule in agent.rules if rule.use not in split.withdrawn] if split.withdrawn else agent.rules
    if rule := first_match(rules, facts):
        return agent.versions[rule.use], "rule"
    return arm_of_unit(split, unit), "split"
