"""Which provider has a response: asked one after the other, as nothing in an id says whose it is.

An id that is unknown at a provider is answered 404 there, and nothing has happened; so whoever knows it is its owner.
Who may be asked is who the caller may call. What was found is remembered for the next time, as a hint and no more.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson

from gateway.calls import Caller
from gateway.errors import NotFound, ProviderError
from gateway.rollout.table import Entry, Table
from gateway.runtime import Channel
from routing.chain import HUMAN, Link, Target
from routing.plan import Plan

_MOST_HINTS = 4096
_MOST_MADE = 65_536
_LONGEST_ID = 256  # of a response that is remembered; OpenAI's are 53 characters long
_RESPONSE = re.compile(r"/responses/([^/]+)(?:/.*)?")
_NO_IDS = frozenset({"compact", "input_tokens"})  # endpoints that stand where an id would


class Hints:
    """Who had a response when it was asked for last. Bounded: what was not asked for the longest goes."""

    def __init__(self, most: int = _MOST_HINTS) -> None:
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


class Makers:
    """Which caller made what was made through here (a file, a batch, a store), by its id. Bounded, in memory, of this
    replica: what it does not know it refuses nobody."""

    def __init__(self, most: int = _MOST_MADE) -> None:
        self._made: OrderedDict[str, str] = OrderedDict()
        self._most = most

    def learn(self, answer: bytes, caller: Caller) -> None:
        """Read the id of what was made off the answer to a POST, if it tells one. The first maker of an id stays."""
        try:
            made = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return
        id_ = made.get("id") if isinstance(made, dict) else None
        if isinstance(id_, str) and 0 < len(id_) <= _LONGEST_ID:
            self._made.setdefault(id_, caller.name)
            if len(self._made) > self._most:
                self._made.popitem(last=False)

    def check(self, path: str, values: Mapping[str, Any], caller: Caller) -> None:
        """Raises NotFound where the path, or a member of a JSON body, is what another caller made, and the key is for
        some agents only."""
        if caller.agents is None:
            return
        members = [each for value in values.values() for each in (value if isinstance(value, list) else [value])]
        for id_ in (*unquote(path).split("/"), *members):
            if isinstance(id_, str) and self._made.get(id_, caller.name) != caller.name:
                raise NotFound(f"there is no {id_!r} of this key's", param="id")


def response_in(path: str) -> str | None:
    """The id of the response that a path (what follows `/v1`) speaks of, None for any other path."""
    found = _RESPONSE.fullmatch(path)
    return None if found is None or found[1] in _NO_IDS else found[1]


def of_agent(entry: Entry, plan: Plan, channels: Mapping[str, Channel]) -> list[Target]:
    """Where an agent's responses may be, one target for each provider: the plan's own first. Empty when none of its
    providers gives out such ids."""
    return _of_responses([*plan.links, *_links(entry)], channels)


def of_caller(caller: Caller, table: Table, channels: Mapping[str, Channel]) -> list[Target]:
    """Where a caller's responses may be when no agent is named: any provider, or those of the agents of its key."""
    if caller.agents is None:
        return _of_responses([Target(name, "") for name in channels], channels)
    entries = [entry for agent in table if agent in caller.agents and (entry := table.entry(agent)) is not None]
    return _of_responses([link for entry in entries for link in _links(entry)], channels)


def is_elsewhere(error: ProviderError) -> bool:
    """Whether a provider says that it has no such response."""
    return error.upstream_status == 404 or (error.upstream_status == 400 and error.param == "response_id")


def _links(entry: Entry) -> list[Link]:
    """Wherever calls of that agent may go."""
    return [*(version.target for version in entry.agent.versions.values()), *entry.agent.fallback]


def _of_responses(links: Iterable[Link], channels: Mapping[str, Channel]) -> list[Target]:
    found: dict[str, Target] = {}
    for link in links:
        if link != HUMAN and channels[link.provider].endpoint.format == "openai-responses":
            found.setdefault(link.provider, link)
    return list(found.values())
