"""Answer paths that resemble an endpoint with 404 and the right path, in that endpoint's dialect.

A provider may answer `/v1/chat/completions/` or `/v1/Chat/Completions` as if it were spelled right. Passed through,
such a call would run without its version's prompt, model and limits.
"""

import itertools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.api.endpoint import Endpoint, Handler, OpenEndpoint, Services
from gateway.calls import FormatName
from gateway.errors import LONGEST_SHOWN, NotFound
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.openai_responses import NAME as RESPONSES
from gateway.formats.registry import CLIENTS, PROVIDERS
from gateway.net.asgi import PlainReceive, PlainSend, Receive, Scope, Send

_SHORTEST = 3  # segments of a path with something behind an endpoint, or before it
_MOST_DECODED = 3  # how many times over a path may be percent-encoded before it means nothing to anybody
# What stands before an endpoint where a base URL was put together wrongly, or is another API's.
_PREFIXES = frozenset({"api", "openai", "anthropic", "beta", "alpha", "preview", "latest"})
_VERSION = re.compile(r"v[0-9.]+(?:(?:alpha|beta)[0-9]*)?")  # `v1`, `v2`, `v1beta`
_NAMING_PREFIXES = frozenset({"engines", "deployments"})  # these name a model behind them
_REPEATED = frozenset({"chat", "completions", "responses", "messages", "embeddings"})
_EXTENSION = re.compile(r"\.(?:json|jsonl|xml|html?|txt|php|aspx?)$")
_PLURALS = {each.removesuffix("s"): each for each in ("completions", "embeddings", "responses", "messages", "models")}
_READING = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_OWN = (
    "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}", "/v1/feedback", "/v1/escalations",
    "/v1/escalations/{call_id}", "/v1/escalations/{call_id}/reply", "/status", "/status/{agent}", "/audit/{agent}",
    "/admin/agents/{agent}/{verb}", "/healthz", "/readyz",
)  # fmt: skip
_ENDPOINTS: tuple[tuple[str, FormatName], ...] = (
    *((path, side.name) for side in CLIENTS.values() for path in side.door.paths if not side.door.verbs),
    *((side.counting.path, side.name) for side in CLIENTS.values() if side.counting and not side.counting.names_agent),
    *((path, CHAT) for path in _OWN),
)
_VERBS = {verb.lower(): side for side in CLIENTS.values() for verb in side.door.verbs}
# The formats whose verbs end a path of a model, for paths that other formats' endpoints would take as well.
_OWNERS_OF_VERBS: Mapping[str, FormatName] = {
    verb: side.name for side in CLIENTS.values() if side.others is not None for verb in side.others.verbs
}
_OWNERS = sorted(
    ((side.door.owns, side.name) for side in CLIENTS.values() if side.door.owns is not None),
    key=lambda owner: -len(owner[0]),  # the closest first
)
# What begins the names of headers that only one format's clients send.
_CLIENT_HEADERS: tuple[tuple[bytes, FormatName], ...] = (
    *((each, side.name) for side in CLIENTS.values() if side.listing for each in side.listing.client_headers),
    *((PROVIDERS[name].facts.header_prefix, name) for name in CLIENTS if PROVIDERS[name].facts.error_shape is None),
)
_NO_OTHERS: Mapping[FormatName, Endpoint] = {}
_PATTERNS = [(tuple(path.removeprefix("/v1").split("/")[1:]), path, client) for path, client in _ENDPOINTS]


@dataclass(frozen=True, slots=True)
class Meant:
    """Endpoint that a path seems to mean: its path, and the format of its clients."""

    path: str
    format: FormatName
    names_model: bool = False

    @property
    def advice(self) -> str:
        """The advice: which path to use instead."""
        return f"use {self.path!r}" + (", and name the agent in 'model'" if self.names_model else "")


def meant_by(path: str, method: str = "GET") -> Meant | None:
    """Return the endpoint that a misspelled path means; None where the path is another API's."""
    segments = lenient_segments(path)
    if segments and (side := _VERBS.get(segments[-1].rpartition(":")[2])):
        return Meant(side.door.shown, side.name)
    for begin in _begins(segments):
        rest, before = segments[begin:], segments[:begin]
        names_model = not _NAMING_PREFIXES.isdisjoint(before)
        for pattern, spelled, client in _PATTERNS:
            if _matches(rest, pattern):
                return Meant(spelled, client, names_model)
    if generating := _generating(segments, method):
        return Meant(*generating)
    end = max(_begins(segments))
    if segments[:1] == ["v1"] and end > 1 and not _REPEATED.intersection(segments[:end]):
        rest = segments[end:]
        return Meant("/v1/" + "/".join(rest or ["…"]), CHAT, not _NAMING_PREFIXES.isdisjoint(segments[:end]))
    return None


class NearMisses:
    """Keep near misses from an endpoint that takes every path that is left over."""

    def __init__(
        self, services: Services, endpoint: Endpoint, others: Mapping[FormatName, Endpoint] = _NO_OTHERS
    ) -> None:
        """Stand before an endpoint; `others` are those of other formats, for their own paths and clients."""
        self._endpoint: Handler = endpoint
        self._nothing = {name: _Nothing(services, side) for name, side in CLIENTS.items()}
        self._others: Mapping[FormatName, Handler] = {**self._nothing, **others}

    async def __call__(self, scope: Scope, receive: PlainReceive, send: PlainSend) -> None:
        path = scope["path"]
        if (owner := _OWNERS_OF_VERBS.get(path.rpartition(":")[2])) is not None:
            await self._others[owner](scope, receive, send)
        elif meant := meant_by(path, scope["method"]):
            await self._nothing[meant.format](scope, receive, send)
        elif owner := _owner(path, scope):
            await self._others[owner](scope, receive, send)
        else:
            await self._endpoint(scope, receive, send)


def _owner(path: str, scope: Scope) -> FormatName | None:
    """Return the format whose path it is, or whose client asks, by a header that only such clients send."""
    if (owner := next((name for prefix, name in _OWNERS if path.startswith(prefix)), None)) is not None:
        return owner
    names = [name for name, _ in scope["headers"]]
    return next((owner for begin, owner in _CLIENT_HEADERS if begin and any(n.startswith(begin) for n in names)), None)


class _Nothing(OpenEndpoint):
    """404 in one dialect."""

    methods = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        meant, shown = meant_by(scope["path"], scope["method"]), scope["path"][:LONGEST_SHOWN]
        advice = f"; {meant.advice}" if meant else ""
        raise NotFound(f"there is nothing at {shown!r}{advice}", code="unknown_url")


def lenient_segments(path: str) -> list[str]:
    """The path as the most lenient server would read it."""
    for _ in range(_MOST_DECODED):
        path = unquote(path)
    text = unicodedata.normalize("NFKC", path).casefold().replace("\\", "/")
    found: list[str] = []
    for segment in text.split("/"):
        if segment.strip() == "..":
            del found[-1:]
        elif plain := re.sub(r"[^\w:@.-]", "", re.split("[;?#]", segment, maxsplit=1)[0]).strip("."):
            found.append(plain)
    return found


def _generating(segments: list[str], method: str) -> tuple[str, FormatName] | None:
    """Return which endpoint of ours makes a model answer at a server that heeds only the beginning or the end of a
    path, with what its clients speak. What is stored there may be read and deleted, by its id."""
    own = [*map(_plural, segments)]
    reads = method in _READING
    for at, pair in enumerate(itertools.pairwise(own)):
        if pair == ("chat", "completions") and not (reads and own[:1] == ["v1"] and at == 1):
            return "/v1/chat/completions", CHAT
    if reads or len(own) < _SHORTEST or own[0] != "v1":
        return None
    _, first, *tail = own
    if first in ("completions", "embeddings"):
        return f"/v1/{first}", CHAT
    if first == "responses" and tail not in (["compact"], ["input_tokens"]) and tail[1:] != ["cancel"]:
        return "/v1/responses", RESPONSES
    if tail[-1] in ("embeddings", "responses"):
        return f"/v1/{tail[-1]}", RESPONSES if tail[-1] == "responses" else CHAT
    return None


def _plural(segment: str) -> str:
    """The segment as an endpoint of ours is spelled: without an extension, and in the plural."""
    plain = _EXTENSION.sub("", segment)
    return _PLURALS.get(plain, plain)


def _begins(segments: list[str]) -> list[int]:
    """Return the positions where an endpoint's own path may begin, behind any number of prefixes."""
    begins, at = [0], 0
    while at < len(segments):
        if segments[at] in _NAMING_PREFIXES:
            at += 2
        elif segments[at] in _PREFIXES or segments[at] in _REPEATED or _VERSION.fullmatch(segments[at]):
            at += 1
        else:
            break
        begins.append(min(at, len(segments)))
    return begins


def _matches(segments: list[str], pattern: tuple[str, ...]) -> bool:
    return len(segments) == len(pattern) and all(
        part == _plural(segment) or part.startswith("{") for segment, part in zip(segments, pattern, strict=True)
    )
