"""Provider that keeps an answer (a response, an interaction): providers are asked one after the other, as an id does
not name its own.

An id that is unknown at a provider is answered 404 there, and nothing has happened; so whoever knows it is its owner.
Who may be asked is who the caller may call. What was found is remembered for the next time, as a hint and no more.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from gateway.calls import Caller
from gateway.errors import ProviderError
from gateway.rollout.table import Entry, Table
from gateway.runtime import Channel
from routing.chain import HUMAN, ChainTarget, Target
from routing.plan import Plan

_MOST_OWNERS = 4096
_LONGEST_ID = 256  # of a response that is remembered; OpenAI's are 53 characters long
_NO_IDS = frozenset({"compact", "input_tokens"})  # endpoints that stand where an id would


class ResponseOwners:
    """Latest known provider of each response. Bounded: the least recently asked ones go."""

    def __init__(self, most: int = _MOST_OWNERS) -> None:
        self._found: OrderedDict[str, str] = OrderedDict()
        self._most = most

    def learn(self, response: str, provider: str) -> None:
        if len(response) > _LONGEST_ID:
            return
        self._found[response] = provider
        self._found.move_to_end(response)
        if len(self._found) > self._most:
            self._found.popitem(last=False)

    def first(self, response: str, targets: Sequence[Target]) -> list[Target]:
        """The same targets, the one that had it last before the others."""
        known = self._found.get(response)
        return sorted(targets, key=lambda target: target.provider != known)


def answer_in(path: str, kept_at: str) -> str | None:
    """The id of the answer that a path (what follows the base path) speaks of, None for any other path."""
    if not kept_at or not path.startswith(f"{kept_at}/"):
        return None
    id_ = path.removeprefix(f"{kept_at}/").partition("/")[0]
    return None if not id_ or id_ in _NO_IDS else id_


def of_agent(entry: Entry, plan: Plan, channels: Mapping[str, Channel], kept_at: str) -> list[Target]:
    """Return the targets that may keep an agent's answers at that path, one for each provider: the plan's own first.

    Empty when none of its providers gives out such ids.
    """
    return _keeping([*plan.targets, *_targets_of(entry)], channels, kept_at)


def of_caller(caller: Caller, table: Table, channels: Mapping[str, Channel], kept_at: str) -> list[Target]:
    """Return the targets that may keep a caller's answers at that path when no agent is named.

    These are all providers, or those of the agents and plain models that its key may call.
    """
    if not caller.is_limited:
        return _keeping([Target(name, "") for name in channels], channels, kept_at)
    entries = [entry for agent in table if caller.may_call(agent) and (entry := table.entry(agent)) is not None]
    plain = [Target(pattern.provider, pattern.name) for pattern in caller.models or () if pattern.provider in channels]
    return _keeping([*(target for entry in entries for target in _targets_of(entry)), *plain], channels, kept_at)


def is_elsewhere(error: ProviderError) -> bool:
    """Return whether a provider says that it has no such response."""
    return error.upstream_status == 404 or (error.upstream_status == 400 and error.param == "response_id")


def _targets_of(entry: Entry) -> list[ChainTarget]:
    """Return the targets that calls of that agent may go to."""
    return [*(version.target for version in entry.agent.versions.values()), *entry.agent.fallback]


def _keeping(targets: Iterable[ChainTarget], channels: Mapping[str, Channel], kept_at: str) -> list[Target]:
    found: dict[str, Target] = {}
    for target in targets:
        if target != HUMAN and channels[target.provider].endpoint.api.facts.keeps_answers_at == kept_at:
            found.setdefault(target.provider, target)
    return list(found.values())
