"""The routing table in memory: what the configuration wants, under what the record says. Calls read nothing else.

Every entry is immutable and swapped whole, so a call keeps the one it started with. A record that is unknown, or that
is about other versions than the configuration's, means stable only.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.calls import ArmName
from gateway.formats.applied import AppliedVersion
from gateway.rollout.gates import gate_of
from policies.guardrails.grammar import Guardrail, parse
from policies.guardrails.metrics import JUDGED_QUALITY
from policies.guardrails.thresholds import Thresholds, arm_thresholds, limited_behaviours
from policies.rollout.state import Intent, State, Step, VersionRef
from routing.agents import Agent, AgentVersion
from routing.chain import Target
from routing.models import MODELS, plain_plan
from routing.plan import Plan, Split

_MOST_MODELS = 1024  # plain models, made ready; a cache, which begins anew when it is full


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent: its configuration, prepared, and the split that holds now.

    `thresholds` say, for each arm of a trial, from where on a call is slow and dear. `is_quarantined` is set
    while this replica keeps calls off the canary because the store is away. The parties in `excluded` are served by
    `for_excluded`, which `is_excluded` marks: all on stable, and no evidence (decision 40). `excluded_here` are those
    of them that this replica has excluded alone, because the store is away.
    `plain` is the one plan of a plain model's calls, None for agents.
    `judge_acts` says that a guardrail may act on the agent's judge.
    `on_trial` says that the split's calls are evidence: a rollout of exactly these versions is running. `is_completed`
    says that the configured canary serves everything because its rollout was completed.
    """

    agent: Agent
    intent: Intent
    applied: Mapping[str, AppliedVersion]
    all_guardrails: tuple[Guardrail, ...]
    all_signals: tuple[Guardrail, ...]
    state: State | None
    split: Split
    thresholds: Mapping[ArmName, Thresholds]
    is_quarantined: bool = False
    is_excluded: bool = False
    excluded: frozenset[str] = frozenset()
    excluded_here: frozenset[str] = frozenset()
    for_excluded: "Entry | None" = None
    plain: Plan | None = None
    judge_acts: bool = False
    on_trial: bool = field(init=False)
    is_completed: bool = field(init=False)

    def __post_init__(self) -> None:
        is_completed = self.state is not None and self.state.phase == "completed" and self.state.serves(self.intent)
        object.__setattr__(self, "on_trial", self.split.canary is not None)
        object.__setattr__(self, "is_completed", is_completed)

    @classmethod
    def of(cls, agent: Agent, state: State | None) -> "Entry":
        applied = {name: AppliedVersion.of(version) for name, version in agent.versions.items()}
        guardrails = tuple(parse(text) for text in agent.guardrails)
        signals = tuple(parse(text) for text in agent.signals)
        intent = _intent(agent)
        is_trusted = agent.judge is not None and agent.judge.trusted
        return cls(
            agent, intent, applied, guardrails, signals, None, Split(agent.versions[agent.stable]), {},
            judge_acts=is_trusted,
        ).with_state(state)  # fmt: skip

    @classmethod
    def of_model(cls, name: str) -> "Entry":
        """Return the entry of a plain model, `provider/model`, whose calls are booked under `MODELS`."""
        plan = plain_plan(Target(*name.split("/", 1)))
        versions = {name: plan.version}
        return replace(cls.of(Agent(MODELS, versions, stable=name), None), plain=plan)

    def with_state(self, state: State | None) -> "Entry":
        """The same configuration under another record."""
        split = _split(self.agent, self.intent, state)
        nobody = frozenset[str]()
        entry = replace(
            self, state=state, is_quarantined=False, split=split, excluded=nobody, excluded_here=nobody,
            for_excluded=None,
        )  # fmt: skip
        return replace(entry, thresholds=_thresholds(entry)).excluding(state.excluded if state else ())

    def quarantined(self) -> "Entry":
        """The same, with everything on stable but what other versions were keeping before this trial."""
        return replace(self, split=self._off_the_canary(), thresholds={}, is_quarantined=True)

    def excluding(self, parties: Iterable[str]) -> "Entry":
        """The same, with these parties on stable, too, while there is a canary that they might get."""
        excluded = self.excluded.union(parties)
        if not excluded or not (self.on_trial or self.is_completed):
            return self
        others = replace(self, split=self._off_the_canary(), thresholds={}, is_excluded=True)
        return replace(self, excluded=excluded, for_excluded=others)

    def kept_off_like(self, before: "Entry | None") -> "Entry":
        """The same, off the canary for whom this replica alone has taken it from in the same trial."""
        if before is None or not self.on_trial:
            return self
        entry = replace(self.excluding(before.excluded_here), excluded_here=before.excluded_here)
        return entry.quarantined() if before.is_quarantined else entry

    def _off_the_canary(self) -> Split:
        """The split with the canary taken out of it, also out of what conversations under way keep."""
        split, canary = self.split, self.intent.canary
        stable = self.agent.versions[self.agent.stable]
        left = {digest: version for digest, version in split.kept.items() if canary is None or digest != canary.digest}
        return Split(stable, withdrawn=split.withdrawn, step=split.step, kept=left)

    @property
    def demoted(self) -> Collection[str]:
        """Return the metrics whose guardrails only hold a step: a judge's that nobody vouches for."""
        return () if self.judge_acts else (JUDGED_QUALITY.name,)

    @property
    def guardrails(self) -> tuple[Guardrail, ...]:
        """The guardrails that nobody has dismissed."""
        return self._heeded(self.all_guardrails)

    @property
    def signals(self) -> tuple[Guardrail, ...]:
        """The signals that nobody has dismissed."""
        return self._heeded(self.all_signals)

    def _heeded(self, guardrails: tuple[Guardrail, ...]) -> tuple[Guardrail, ...]:
        dismissed = self.state.dismissed if self.state else ()
        return tuple(guardrail for guardrail in guardrails if guardrail.metric.name not in dismissed)


class Table:
    """Entries by agent name, and the highest record this replica has seen of each agent.

    `heed` is called with an entry whose record has changed.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._seen: dict[str, State] = {}
        self._models: dict[str, Entry] = {}
        self.heed: Callable[[Entry], None] | None = None

    def install(self, agents: Mapping[str, Agent]) -> None:
        """Take a new configuration; the records stay what they are, and so does what this replica does alone."""
        before = self._entries
        entries = {name: Entry.of(agent, self._seen.get(name)) for name, agent in agents.items()}
        self._entries = {name: entry.kept_off_like(before.get(name)) for name, entry in entries.items()}

    def turn(self, name: str, state: State) -> bool:
        """Take a record of an agent; an older one, or the one it has, changes nothing. Whether it was news.

        After the store has lost its last moments two histories may have reached the same epoch: the later read holds.
        """
        seen = self._seen.get(name)
        if seen is not None and (state.epoch < seen.epoch or (state == seen and not self._acts_alone(name))):
            return False
        self._seen[name] = state
        if entry := self._entries.get(name):
            self._entries[name] = entry.with_state(state)
            if self.heed is not None:
                self.heed(self._entries[name])
        return True

    def quarantine(self, name: str) -> None:
        """Keep this replica's calls off an agent's canary until its next record."""
        if entry := self._entries.get(name):
            self._entries[name] = entry.quarantined()

    def exclude(self, name: str, party: str) -> None:
        """Keep a party's calls at this replica off an agent's canary until its next record."""
        if entry := self._entries.get(name):
            self._entries[name] = replace(entry.excluding((party,)), excluded_here=entry.excluded_here | {party})

    def trust_judge(self, name: str, judge: str, *, is_trusted: bool) -> None:
        """Let a guardrail act on the agent's judge of that digest, or only warn."""
        entry = self._entries.get(name)
        if entry is None or entry.agent.judge is None or entry.agent.judge.digest != judge:
            return
        if entry.judge_acts != is_trusted:
            self._entries[name] = replace(entry, judge_acts=is_trusted)

    def _acts_alone(self, name: str) -> bool:
        """Return whether this replica keeps calls off the canary that the record lets have it."""
        entry = self._entries.get(name)
        return entry is not None and (entry.is_quarantined or bool(entry.excluded_here))

    def entry(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def model(self, name: str) -> Entry:
        """Return the entry of a plain model. The names that a client may write were checked before."""
        entry = self._models.get(name)
        if entry is None:
            if len(self._models) >= _MOST_MODELS:
                self._models.clear()
            entry = self._models[name] = Entry.of_model(name)
        return entry

    def seen(self, name: str) -> State | None:
        """The newest record of that agent this replica knows of."""
        return self._seen.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)


def _intent(agent: Agent) -> Intent:
    canary = _ref(agent.versions[agent.canary]) if agent.canary else None
    steps = tuple(Step(step.weight, step.hold, step.min_requests, step.approval) for step in agent.steps)
    return Intent(_ref(agent.versions[agent.stable]), canary, steps if canary else (), gate_of(agent))


def _thresholds(entry: Entry) -> Mapping[ArmName, Thresholds]:
    """Return when a call of either arm is slow or expensive, once the record has frozen it, and what else is watched.

    Without a control the limits of behaviours are, as errors are.
    """
    if entry.is_completed and (limited := limited_behaviours(entry.guardrails)):
        return {"canary": Thresholds(behaviours=limited, limited=limited)}
    if not entry.on_trial or entry.state is None:
        return {}
    watched = (*entry.guardrails, *entry.signals)
    return {
        "stable": arm_thresholds(watched, entry.state.frozen),
        "canary": arm_thresholds(watched, entry.state.frozen, canary=True),
    }


def _ref(version: AgentVersion) -> VersionRef:
    return VersionRef(version.name, version.digest)


def _split(agent: Agent, intent: Intent, state: State | None) -> Split:
    """The split that the record asks for, with the versions that conversations under way may keep."""
    split = _arms(agent, intent, state)
    step = state.evidence if state else 0
    if not _is_kept(agent):
        return replace(split, step=step)
    earlier = frozenset(epoch for epoch, _ in state.earlier) if state and split.canary else frozenset[int]()
    return replace(split, step=step, kept=_kept(agent, intent, state), earlier=earlier)


def _is_kept(agent: Agent) -> bool:
    """Return whether a conversation keeps the version that it began on; a single request is none."""
    return agent.running == "keep" and agent.sticky.kind != "request"


def _arms(agent: Agent, intent: Intent, state: State | None) -> Split:
    stable = agent.versions[agent.stable]
    if state is None:
        return Split(stable)
    withdrawn = _withdrawn(agent, state)
    if agent.canary is None or agent.canary in withdrawn or not state.serves(intent):
        return Split(stable, withdrawn=withdrawn)
    canary = agent.versions[agent.canary]
    if state.phase == "completed":
        return Split(canary, withdrawn=withdrawn)
    if not state.on_trial:
        return Split(stable, withdrawn=withdrawn)
    return replace(Split.trial(agent.name, stable, canary, state.weight), withdrawn=withdrawn)


def _kept(agent: Agent, intent: Intent, state: State | None) -> Mapping[str, AgentVersion]:
    """The versions that conversations under way may keep, by digest: those in the files that no rollback has taken."""
    digests = {intent.stable.digest}
    if state is not None:
        digests |= set(state.kept(intent)) - state.rolled_back.keys()
    return {version.digest: version for version in agent.versions.values() if version.digest in digests}


def _withdrawn(agent: Agent, state: State) -> frozenset[str]:
    """The versions that were rolled back; to make one stable is the operator's word against it."""
    if not state.rolled_back:
        return frozenset()
    names = (name for name, version in agent.versions.items() if version.digest in state.rolled_back)
    return frozenset(names) - {agent.stable}
