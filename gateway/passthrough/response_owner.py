"""Provider that keeps an answer (a response, an interaction): providers are asked one after the other, as an id does
not name its own.

An id that is unknown at a provider is answered 404 there, and nothing has happened; so whoever knows it is its owner.
Who may be asked is who the caller may call. What was found is remembered for the next time, as a hint and no more.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from gateway.calls import Caller
from gateway.errors import NotFound, ProviderError
from gateway.rollout.table import Entry, Table
from gateway.runtime import Channel
from routing.chain import HUMAN, ChainTarget, Target
from routing.plan import Plan

_MOST_OWNERS = 4096
_MOST_MADE = 65_536
_LONGEST_ID = 256  # of a response that is remembered; OpenAI's are 53 characters long
# What stands in a call's body that names what is stored; the last, an escape, may spell any of the others.
_MAY_NAME_IDS = (
    *(b"file_id", b"vector_store", b"container", b"conversation", b"skill_id", b"previous", b"\\u00"),
    *(b"fileId", b"vectorStore", b"skillId"),  # Google's APIs take both spellings
    *(b"fileUri", b"file_uri", b'"uri"', b"cachedContent", b"cached_content"),
    *(b"fileSearchStore", b"file_search_store"),
)
_LONGEST_SPELLING = 4 * _LONGEST_ID
_NOT_PLAIN = re.compile(r"[;?#].*|[^\w-]+", re.DOTALL)  # what lenient servers pass over in an id
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


class Makers:
    """Callers that created objects through this replica (a file, a batch, a store), by id. Bounded, in memory; an
    unknown id is refused to nobody.
    """

    def __init__(self, most: int = _MOST_MADE) -> None:
        self._made: OrderedDict[str, str] = OrderedDict()
        self._most = most

    def learn(self, answer: bytes, caller: Caller, asked: Iterable[str] = ()) -> None:
        """Read the id of what was made off the answer to a POST, if it tells one. The first maker of an id stays.

        `asked` is what the request says. An id in it was there before, and its maker is not known by this answer.
        """
        try:
            made = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return
        named = list(asked)
        for id_ in _ids_of(made):
            if not _is_in(id_, named):
                self.learn_id(id_, caller)

    def learn_id(self, id_: str, caller: Caller) -> None:
        """Note whose it is, unless its maker is known already."""
        if 0 < len(id_) <= _LONGEST_ID:
            self._made.setdefault(_plain(id_), caller.name)
            if len(self._made) > self._most:
                self._made.popitem(last=False)

    def check(self, asked: Iterable[str], caller: Caller) -> None:
        """Raise NotFound where a text is the id of what another caller made, and the key is limited to some agents."""
        if not caller.is_limited or not self._made:
            return
        for id_ in asked:
            if len(id_) <= _LONGEST_SPELLING and any(
                self._made.get(_plain(each), caller.name) != caller.name for each in _parts(id_)
            ):
                raise NotFound(f"there is no {id_!r} of this key's", param="id")

    def check_call(self, body: bytes, values: Mapping[str, Any], caller: Caller) -> None:
        """Check the ids in a call's body, which is looked into only where it may name one."""
        if self._made and caller.is_limited and any(map(body.__contains__, _MAY_NAME_IDS)):
            self.check(texts_of(values), caller)


def _parts(text: str) -> list[str]:
    """A text, and each part of a URL or of a name (`…/files/abc/`), without a verb behind it."""
    return [text, *(part.partition(":")[0] for part in text.split("/"))]


def _ids_of(made: Any) -> list[str]:
    """Return the names of the object in an answer: its `id`, or Gemini's `name`, whole and its last part."""
    if not isinstance(made, dict):
        return []
    inner = made.get("file")  # around which Gemini's answer to an upload is
    name = (inner if isinstance(inner, dict) else made).get("name")
    names = [name, name.rpartition("/")[2]] if isinstance(name, str) and "/" in name else []
    return [each for each in (made.get("id"), *names) if isinstance(each, str)]


def _plain(text: str) -> str:
    """An id as the most lenient server would read it."""
    return _NOT_PLAIN.sub("", text).casefold()


def _is_in(id_: str, texts: Iterable[str]) -> bool:
    """Return whether a text holds the id, in any case."""
    plain = id_.casefold()
    return any(plain in text.casefold() for text in texts)


def texts_of(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, names of members included."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left += each
            left += each.values()
        elif isinstance(each, list):
            left += each


def texts_of_target(path: str, query: str) -> Iterator[str]:
    """Yield the decoded segments of a path, and the decoded names and values of a query."""
    yield from unquote(path).split("/")
    for pair in parse_qsl(query, keep_blank_values=True):
        yield from pair


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
