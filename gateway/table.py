"""The routing table in memory: what the configuration wants, under what the record says. Calls read nothing else.

Every entry is immutable and swapped whole, so a call keeps the one it started with. A record that is unknown, or that
is about other versions than the configuration's, means stable only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.providers.openai_request import AppliedVersion
from policies.guardrails import Guardrail, parse
from policies.rollout import Intent, State, VersionRef
from routing.agents import Agent, AgentVersion
from routing.plan import Split


@dataclass(frozen=True, slots=True)
class Entry:
    """One agent: its configuration, prepared, and the split that holds now."""

    agent: Agent
    intent: Intent
    applied: Mapping[str, AppliedVersion]
    guardrails: tuple[Guardrail, ...]
    state: State | None
    split: Split

    @classmethod
    def of(cls, agent: Agent, state: State | None) -> "Entry":
        applied = {name: AppliedVersion.of(version) for name, version in agent.versions.items()}
        guardrails = tuple(parse(text) for text in agent.guardrails)
        intent = _intent(agent)
        return cls(agent, intent, applied, guardrails, state, _split(agent, intent, state))

    def turned(self, state: State | None) -> "Entry":
        """The same configuration under another record."""
        return replace(self, state=state, split=_split(self.agent, self.intent, state))

    @property
    def on_trial(self) -> bool:
        """Whether the split's calls are evidence: a rollout of just these versions is running."""
        return self.split.canary is not None


class Table:
    """Entries by agent name, and the highest record this replica has seen of each agent."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._seen: dict[str, State] = {}

    def install(self, agents: Mapping[str, Agent]) -> None:
        """Take a new configuration; the records stay what they are."""
        self._entries = {name: Entry.of(agent, self._seen.get(name)) for name, agent in agents.items()}

    def turn(self, name: str, state: State) -> bool:
        """Take a record of an agent; an older one, or the one it has, changes nothing. Whether it was news.

        After the store has lost its last moments two histories may have reached the same epoch: the later read holds.
        """
        seen = self._seen.get(name)
        if seen is not None and (state.epoch < seen.epoch or state == seen):
            return False
        self._seen[name] = state
        if entry := self._entries.get(name):
            self._entries[name] = entry.turned(state)
        return True

    def entry(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def seen(self, name: str) -> State | None:
        """The newest record of that agent this replica knows of."""
        return self._seen.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)


def _intent(agent: Agent) -> Intent:
    canary = _ref(agent.versions[agent.canary]) if agent.canary else None
    return Intent(_ref(agent.versions[agent.stable]), canary, agent.weight)


def _ref(version: AgentVersion) -> VersionRef:
    return VersionRef(version.name, version.digest)


def _split(agent: Agent, intent: Intent, state: State | None) -> Split:
    stable = agent.versions[agent.stable]
    if state is None:
        return Split(stable)
    withdrawn = _withdrawn(agent, state)
    if agent.canary is None or agent.canary in withdrawn or state.phase != "running" or not state.serves(intent):
        return Split(stable, withdrawn=withdrawn)
    trial = Split.trial(agent.name, stable, agent.versions[agent.canary], state.weight)
    return replace(trial, withdrawn=withdrawn)


def _withdrawn(agent: Agent, state: State) -> frozenset[str]:
    """The versions that were rolled back; to make one stable is the operator's word against it."""
    if not state.rolled_back:
        return frozenset()
    names = (name for name, version in agent.versions.items() if version.digest in state.rolled_back)
    return frozenset(names) - {agent.stable}
