"""Paths that only look like an endpoint of ours: 404 with the right path, in the dialect of the endpoint that is meant.

A provider may answer `/v1/chat/completions/` or `/v1/Chat/Completions` as if it were spelled right. Passed through,
such a call would run without its version's prompt, model and limits.
"""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.types import Receive, Scope, Send

from gateway.api.endpoint import Endpoint, Handler, OpenEndpoint, Services
from gateway.calls import FormatName
from gateway.errors import NotFound

_LONGEST_SHOWN = 200
_MOST_DECODED = 3  # how many times over a path may be percent-encoded before it means nothing to anybody
_GEMINI_VERBS = ("generatecontent", "streamgeneratecontent")
_GEMINI_PATH = "/v1beta/models/{agent}:generateContent"
# What stands before an endpoint where a base URL was put together wrongly, or is another API's.
_PREFIXES = frozenset({"v1", "v1beta", "v1beta1", "v1alpha", "api", "openai", "anthropic"})
_NAMING_PREFIXES = frozenset({"engines", "deployments"})  # these name a model behind them
_REPEATED = frozenset({"chat", "completions", "responses", "messages", "embeddings"})
_ENDPOINTS: tuple[tuple[str, FormatName], ...] = (
    ("/v1/chat/completions", "openai"),
    ("/v1/completions", "openai"),
    ("/v1/embeddings", "openai"),
    ("/v1/responses", "openai-responses"),
    ("/v1/messages", "anthropic"),
    ("/v1/messages/count_tokens", "anthropic"),
    ("/v1/models", "openai"),
    ("/v1/models/{model}", "openai"),
    ("/v1/feedback", "openai"),
    ("/v1/escalations", "openai"),
    ("/v1/escalations/{call_id}", "openai"),
    ("/v1/escalations/{call_id}/reply", "openai"),
    ("/status", "openai"),
    ("/status/{agent}", "openai"),
    ("/audit/{agent}", "openai"),
    ("/admin/agents/{agent}/{verb}", "openai"),
    ("/healthz", "openai"),
    ("/readyz", "openai"),
)
_PATTERNS = [(tuple(path.removeprefix("/v1").split("/")[1:]), path, client) for path, client in _ENDPOINTS]


@dataclass(frozen=True, slots=True)
class Meant:
    """The endpoint that a path seems to mean: how its path is spelled, and what its clients speak."""

    path: str
    format: FormatName
    names_model: bool = False

    @property
    def advice(self) -> str:
        """The advice: which path to use instead."""
        return f"use {self.path!r}" + (", and name the agent in 'model'" if self.names_model else "")


def meant_by(path: str) -> Meant | None:
    """Return which endpoint of ours a path means that is none of theirs exactly; None where it is another's."""
    segments = _segments(path)
    if segments and (segments[-1].rpartition(":")[2] in _GEMINI_VERBS):
        return Meant(_GEMINI_PATH, "gemini")
    for begin in _begins(segments):
        rest, before = segments[begin:], segments[:begin]
        names_model = not _NAMING_PREFIXES.isdisjoint(before)
        for pattern, spelled, client in _PATTERNS:
            if _matches(rest, pattern):
                return Meant(spelled, client, names_model)
    end = max(_begins(segments))
    if segments[:1] == ["v1"] and end > 1 and not _REPEATED.intersection(segments[:end]):
        rest = segments[end:]
        return Meant("/v1/" + "/".join(rest or ["…"]), "openai", not _NAMING_PREFIXES.isdisjoint(segments[:end]))
    return None


class NearMisses:
    """Stands before an endpoint that takes whatever path is left over, and keeps near misses from it."""

    def __init__(self, services: Services, endpoint: Endpoint) -> None:
        self._endpoint: Handler = endpoint
        formats: tuple[FormatName, ...] = ("openai", "openai-responses", "anthropic", "gemini")
        self._nothing = {name: _Nothing(services, name) for name in formats}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if meant := meant_by(path):
            await self._nothing[meant.format](scope, receive, send)
        elif path.startswith("/v1/messages/"):
            await self._nothing["anthropic"](scope, receive, send)
        elif path.startswith("/v1beta/"):
            await self._nothing["gemini"](scope, receive, send)
        else:
            await self._endpoint(scope, receive, send)


class _Nothing(OpenEndpoint):
    """404 in one dialect."""

    methods = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

    def __init__(self, services: Services, client: FormatName) -> None:
        super().__init__(services)
        self.format = client

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        meant, shown = meant_by(scope["path"]), scope["path"][:_LONGEST_SHOWN]
        advice = f"; {meant.advice}" if meant else ""
        raise NotFound(f"there is nothing at {shown!r}{advice}", code="unknown_url")


def _segments(path: str) -> list[str]:
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


def _begins(segments: list[str]) -> list[int]:
    """Return the positions where an endpoint's own path may begin, behind any number of prefixes."""
    begins, at = [0], 0
    while at < len(segments):
        if segments[at] in _NAMING_PREFIXES:
            at += 2
        elif segments[at] in _PREFIXES or segments[at] in _REPEATED:
            at += 1
        else:
            break
        begins.append(min(at, len(segments)))
    return begins


def _matches(segments: list[str], pattern: tuple[str, ...]) -> bool:
    return len(segments) == len(pattern) and all(
        part == segment or part.startswith("{") for segment, part in zip(segments, pattern, strict=True)
    )
