"""The conversations under way: each keeps the version that it began on, at whichever replica its next turn arrives.

Every unit that the split has served lately is remembered with where it began. What this replica learns goes to the
others through the store (`gateway.rollout.sharing`); a call only looks into memory. Memory is bounded by generations.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from gateway.rollout.recent_units import ID_DIGITS, SEEN, SETTLE_SECONDS, Begun, RecentUnits
from gateway.rollout.table import Entry
from gateway.rollout.weighing import unit_id
from routing.assignment import is_alone
from routing.plan import Beginning, Plan, arm_of_unit, keep

MOST_UNITS = 400_000  # over all agents and generations: 60 MB, 120 MB where each is a later turn of a chain
HEAR_SECONDS = 0.1  # a call waits so long for the word of the replica that served the answer which it continues
_MOST_WAITING = 1_000
DEAF_SECONDS = 30.0  # a step waits no longer for a store that is away

_NO_STEP = 0  # of units whose arm no weight has drawn: they are no evidence in any step
_MOST_BEGINNINGS = 10_000  # that are one object for all their units
_MARK = Beginning(_NO_STEP, "")


class UnderWay:
    """The conversations under way at one replica. `ask` is called when there is something to share, and `hurry` when
    that cannot wait; `is_deaf` says that nothing is heard of the other replicas."""

    def __init__(
        self, now: Callable[[], float], most_units: int = MOST_UNITS, hear_seconds: float = HEAR_SECONDS
    ) -> None:
        self._hear_seconds = hear_seconds
        self._now = now
        self._most = most_units
        self._room = 0
        self._forgetful: set[str] = set()
        self._agents: dict[str, RecentUnits] = {}
        self._beginnings: dict[Beginning, Beginning] = {}
        self._awaited: dict[str, list[asyncio.Event]] = {}
        self._heard_again_at = 0.0
        self.is_deaf = False
        self.ask: Callable[[], None] = _ignore
        self.hurry: Callable[[], None] = _ignore

    def keep_agents(self, entries: Iterable[Entry]) -> None:
        """Follow a new configuration, and forget agents that have left it."""
        kept = {entry.agent.name: entry.agent for entry in entries if entry.split.kept}
        self._agents = {name: units for name, units in self._agents.items() if name in kept}
        for name, units in self._agents.items():
            units.half = kept[name].idle / 2

    def see(self, entry: Entry) -> None:
        """Notice a step when this replica hears of it, however late its first new conversation comes."""
        if entry.split.kept:
            at = self._now()
            if self._units_of(entry, at).see(entry.split, at):
                self.hurry()

    def follow(self, plan: Plan, entry: Entry, at: float) -> Plan:
        """Return the plan on the version that the call's conversation keeps; `at` in monotonic seconds."""
        split = entry.split
        if plan.reason != "split":
            return plan
        if not split.kept:
            plan.begins = is_alone(plan.unit)
            return plan
        units = self._agents.get(entry.agent.name) or self._units_of(entry, at)
        if at >= units.turns_at:
            units.turn(at)
        begun = units.newest.get(unit_id(plan.unit))
        if begun is not None and begun.step == split.step and begun.digest == plan.version.digest:
            return plan
        return self._follow(units, plan, entry, at)

    def knows(self, agent: str, unit: str) -> bool:
        """Return whether the unit is under way."""
        return self.knows_id(agent, unit_id(unit))

    def knows_id(self, agent: str, name: str) -> bool:
        """Return whether the unit of that id is under way, or what was marked by it."""
        units = self._agents.get(agent)
        return units is not None and self._find(units, name) is not None

    def expect(self, unit: str, plan: Plan, entry: Entry) -> None:
        """Remember a unit under which the conversation of that plan will go on; of several the first holds.

        Its arm was drawn by the bucket of the conversation's first unit, under which its calls are evidence. Were it
        evidence where its own bucket happens to agree, the larger arm would count too often.
        """
        self.expect_ids([unit_id(unit)], plan, entry)

    def expect_ids(self, names: Iterable[str], plan: Plan, entry: Entry) -> None:
        """Remember several such units by their ids."""
        if not entry.split.kept or not (new := [name for name in names if not self.knows_id(entry.agent.name, name)]):
            return
        units = self._units_of(entry, self._now())
        beginning = self._shared(_going_on(units.newest.get(unit_id(plan.unit)), plan, entry))
        for name in new:
            self._note(units, name, beginning)
        self.hurry()

    def join(self, agent: str, unit: str, known: str) -> None:
        """Remember the unit as another name of one whose id is known."""
        units, name = self._agents.get(agent), unit_id(unit)
        if units is not None and not self.knows_id(agent, name) and (begun := units.newest.get(known)):
            self._note(units, name, begun)
            self.hurry()

    def may_hear_of(self, unit: str, entry: Entry) -> bool:
        """Return whether another replica may know the unit, and it matters which version serves it."""
        units = self._agents.get(entry.agent.name)
        if units is None or self.is_deaf or len(entry.split.kept) < 2 or self._now() >= units.heard_until:
            return False
        return len(self._awaited) < _MOST_WAITING and not self.knows(entry.agent.name, unit)

    async def hear_of(self, unit: str) -> None:
        """Wait until another replica tells of the unit, for a moment at most."""
        name, heard = unit_id(unit), asyncio.Event()
        waiting = self._awaited.setdefault(name, [])
        waiting.append(heard)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._hear_seconds):
                    await heard.wait()
        finally:
            waiting.remove(heard)
            if not waiting:
                del self._awaited[name]

    def mark(self, name: str, entry: Entry) -> None:
        """Let every replica know the id, under which no call ever is."""
        if entry.split.kept and not self.knows_id(entry.agent.name, name):
            self._note(self._units_of(entry, self._now()), name, _MARK)
            self.ask()

    def hear_again(self) -> None:
        """Notice that the other replicas are heard."""
        if self.is_deaf:
            self.is_deaf, self._heard_again_at = False, self._now()

    def learn(self, begun: Begun, idle: float, replica: str = "") -> None:
        """Take what another replica says. Of two beginnings of a unit the later step holds.

        Of two without a step the same one holds at each replica.
        """
        at = self._now()
        units = self._agents.get(begun.agent)
        if units is None:
            units = self._agents[begun.agent] = RecentUnits(idle, at)
        units.turn(at)
        units.heard_until = at + 2 * idle
        if replica:
            units.hear(replica, at)
        if begun.beginning.digest == SEEN:
            units.hear_seen(replica, begun.beginning.step, at)
            return
        self._make_room(len(begun.units))
        beginning, is_paired = self._shared(begun.beginning), bool(begun.beginning.drawn)
        for unit in begun.units:
            if is_paired:
                beginning = self._shared(begun.beginning._replace(drawn=unit[ID_DIGITS:]))
                unit = unit[:ID_DIGITS]
            known = units.newest.get(unit)
            if known is None or _holds(beginning, known):
                units.put(unit, beginning)
            for heard in self._awaited.get(unit, ()):
                heard.set()

    def take(self, most: int) -> list[Begun]:
        """Return what the other replicas are to hear of, at most so many units at a time; it is forgotten here."""
        taken: list[Begun] = []
        for agent, units in self._agents.items():
            if units.is_behind:
                units.say_everything()
            while units.unsaid:
                beginning, names = units.unsaid.popitem()
                pieces = range(0, max(1, len(names)), most)
                taken += (Begun(agent, beginning, names[first : first + most]) for first in pieces)
        return sorted(taken, key=_is_seen)  # who hears that a step was seen knows all units that began before

    def give_back(self, begun: Iterable[Begun]) -> None:
        """Share these again: they have not arrived."""
        for agent, beginning, names in begun:
            if units := self._agents.get(agent):
                units.unsaid.setdefault(beginning, []).extend(names)

    def share_everything(self) -> None:
        """Share all that is remembered once more: the store has lost it."""
        for units in self._agents.values():
            units.say_everything()

    @property
    def is_hasty(self) -> bool:
        """Return whether a step began, so that the others must hear of new units at once."""
        now = self._now()
        return any(
            now - units.since < 3 * SETTLE_SECONDS or self._is_settling(units, now) for units in self._agents.values()
        )

    def _follow(self, units: RecentUnits, plan: Plan, entry: Entry, at: float) -> Plan:
        """Follow a unit that is new here, or that was under way before the running step."""
        if is_alone(plan.unit):
            plan.begins = True
            return plan
        split, unit = entry.split, unit_id(plan.unit)
        begun = self._find(units, unit)
        if begun is None:
            plan.begins = True
            begun = self._begin(units, plan, entry, at)
            self._note(units, unit, begun)
            self.ask()
        kept = keep(entry.agent, split, plan, begun)
        if kept.version.digest != begun.digest and (begun.step < split.step or entry.is_excluded):
            step = _NO_STEP if begun.drawn else begun.step
            self._note(units, unit, self._shared(Beginning(step, kept.version.digest, begun.weight, begun.drawn)))
        return kept

    def _find(self, units: RecentUnits, name: str) -> Beginning | None:
        """Return where the unit of that id began. One of an older generation is remembered in the newest, too."""
        begun = units.newest.get(name)
        if begun is None and (begun := units.find(name)) is not None:
            self._make_room(1)
        return begun

    def _note(self, units: RecentUnits, name: str, begun: Beginning) -> None:
        """Remember where the unit of that id began, which the others are to hear."""
        self._make_room(1)
        units.note(name, begun)

    def _make_room(self, new_units: int) -> None:
        """Keep the memory bounded: the agent with the most units forgets its oldest ones first."""
        self._room -= new_units
        if self._room >= 0:
            return
        while (size := sum(units.size for units in self._agents.values())) and size + new_units > self._most:
            agent, largest = max(self._agents.items(), key=lambda each: each[1].size)
            largest.forget_oldest()
            self._forgetful.add(agent)
        self._room = self._most - size - new_units

    def take_forgetful(self) -> list[str]:
        """Return the agents whose conversations were forgotten before their time, each once."""
        agents, self._forgetful = sorted(self._forgetful), set()
        return agents

    def _units_of(self, entry: Entry, at: float) -> RecentUnits:
        return self._agents.setdefault(entry.agent.name, RecentUnits(entry.agent.idle, at))

    def _begin(self, units: RecentUnits, plan: Plan, entry: Entry, at: float) -> Beginning:
        """Return where a unit that nobody knows begins.

        Until the other replicas know of a step, and for some seconds more, that is still the step before it: this
        unit's next turn may arrive there.
        """
        split = entry.split
        if not entry.is_excluded and units.see(split, at):
            self.hurry()
        if units.before is not None and self._is_settling(units, at):
            before = units.before
            return self._shared(Beginning(before.step, arm_of_unit(before, plan.unit).digest, before.weight))
        return self._shared(Beginning(split.step, plan.version.digest, split.weight))

    def _is_settling(self, units: RecentUnits, at: float) -> bool:
        return units.is_settling(at, at if self.is_deaf and at - units.since < DEAF_SECONDS else self._heard_again_at)

    def _shared(self, beginning: Beginning) -> Beginning:
        """Return the one object for all equal beginnings: most units of a step have the same two."""
        if len(self._beginnings) > _MOST_BEGINNINGS:
            self._beginnings.clear()
        return self._beginnings.setdefault(beginning, beginning)


def _is_seen(begun: Begun) -> bool:
    return begun.beginning.digest == SEEN


def _holds(heard: Beginning, known: Beginning) -> bool:
    """Return whether a beginning that is heard of holds over a known one: the later step, and alike everywhere.

    Of two later turns with one unit the version decides last, so that which of them is evidence depends on no arm.
    """
    if heard.step <= _NO_STEP and known.step <= _NO_STEP:
        return _turn_order(heard) < _turn_order(known)
    return known.step <= heard.step


def _turn_order(begun: Beginning) -> tuple[int, str, str, int]:
    return -begun.step, begun.drawn, begun.digest, begun.weight


def _going_on(begun: Beginning | None, plan: Plan, entry: Entry) -> Beginning:
    """Return where the next turn of that plan's conversation begins, under another unit. `begun` is this turn's."""
    split = entry.split
    step = _NO_STEP if plan.held or split.canary is None else plan.origin or split.step
    weight = begun.weight if begun else split.weight
    if not plan.drawn:
        weight = min(weight, split.weight)  # its own bucket has left it here after a lower weight
    return Beginning(-step, plan.version.digest, weight, plan.drawn or unit_id(plan.unit))


def _ignore() -> None:
    """Do nothing: nobody shares."""
