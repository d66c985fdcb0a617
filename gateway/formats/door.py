"""A client format's endpoints: where its clients ask, what routing reads of their requests, and what else they ask.

All of it is data and pure functions, from which `gateway.api` makes the endpoints.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.errors import CallerError, Headers
from gateway.formats.settings import Settings
from gateway.json_body import Document

Json = dict[str, Any]
# What names the agent, and whether a stream is wanted: both as the client wrote them.
RoutingFields = tuple[object, object]


def in_body(_path: Mapping[str, str], values: Mapping[str, Any]) -> RoutingFields:
    """Read the agent and the wish for a stream where most formats have them: in the body."""
    return values.get("model"), values.get("stream")


@dataclass(frozen=True, slots=True)
class References:
    """Items of earlier answers that a request names by their ids, where it might hold the items themselves.

    `named` finds the ids that this gateway gave out. `put_in` puts items, as JSON by their ids, in the places of such
    ids; it raises BodyTooLarge for a request of more bytes or values than the limits. `without_ours` takes out what
    this gateway wrote into items, which the API's own provider would refuse.
    """

    named: Callable[[Mapping[str, Any]], list[str]]
    put_in: Callable[[Document, Mapping[str, str], int, int], Document]
    without_ours: Callable[[Document], Document]


@dataclass(frozen=True, slots=True)
class Door:
    """Generation endpoints of a client format, and how its requests state what routing must know.

    `paths` are Starlette's patterns. Every path that begins with `owns` is this API's: where there is nothing, the 404
    is in this format. `shown` is how an error spells the path, if not as the first pattern. `array` is a member of the
    body that must be a list.

    `asked` reads the path's parameters and the body; it raises NotFound where the path is none of the format's. `verbs`
    are what a path ends with, behind a colon. With `keeps_query` a query string goes on to a provider of the same
    format; with `tries_websocket` clients try a WebSocket first, and go on with HTTP where it is answered with 426.
    With `references` a request may name items of earlier answers by their ids; `other_references` are those of requests
    that go through, by patterns of their paths.

    Unless `prompted` is None, a request may name an agent's prompt as `prompt`, and then leave that member out, if any.

    `title` is what the API is called, for its reference. `kept_at` is the path behind a provider's base path at which
    clients ask for an answer by its id; they ask us behind a path of the door. It is '' where no answer can be asked
    for so.
    """

    paths: tuple[str, ...]
    owns: str | None = None
    shown: str = ""
    array: str | None = None
    asked: Callable[[Mapping[str, str], Mapping[str, Any]], RoutingFields] = in_body
    verbs: tuple[str, ...] = ()
    keeps_query: bool = True
    tries_websocket: bool = False
    references: References | None = None
    other_references: tuple[tuple[re.Pattern[str], References], ...] = ()
    kept_at: str = ""
    prompted: str | None = None
    title: str = ""


class Page(NamedTuple):
    """A part of a list of names; `has_more` says whether names follow."""

    names: Sequence[str]
    has_more: bool = False


def whole(names: Sequence[str], _query: Mapping[str, str]) -> Page:
    """Return all names as one page."""
    return Page(names)


@dataclass(frozen=True, slots=True)
class UploadSessions:
    """Resumable uploads: a request begins one and is told a URL, to which the client sends the bytes without a key.

    `paths` may stand behind any of `prefixes`; at the provider, `root` stands before the last segment of its base path.
    Headers that begin with `headers` speak of an upload. Of these, `url` tells the URL, whose query names the session
    as `session`; `start` is how a request begins one, and `ended` tells a client that it need not try again. Headers
    in `private` stay on their side.
    """

    prefixes: tuple[str, ...]
    root: str
    paths: re.Pattern[str]
    headers: bytes
    url: bytes
    session: str
    start: tuple[tuple[bytes, bytes], ...]
    ended: tuple[bytes, bytes]
    private: frozenset[bytes] = frozenset()

    def at(self, base_path: str, path: str) -> str:
        """Return where uploads to that path begin at a provider."""
        head, _, version = base_path.rpartition("/")
        return f"{head}{self.root}/{version}{path}" if version else f"{self.root}{path}"

    def behind(self, path: str) -> str | None:
        """Return what follows the prefix of a path at which uploads begin; None for any other path."""
        rest = behind(self.prefixes, path)
        return None if rest is None or self.paths.fullmatch(rest) is None else rest

    def spoken(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """Return the headers of an upload that cross the gateway."""
        return [pair for pair in headers if pair[0].startswith(self.headers) and pair[0] not in self.private]


@dataclass(frozen=True, slots=True)
class OtherEndpoints:
    """Endpoints of an API that are forwarded to a provider of its format, beside those that answer.

    `paths` begin what may be forwarded, behind `prefix`, which the provider's base path replaces. A key that is limited
    to some agents only reads `runs_any_model`: what is made there names its models within. `own_url` finds the URLs in
    answers by which clients ask further; of each, its group `path` stays, behind the prefix. Some clients write
    `other_prefix` in place of the prefix.

    `verbs` end the paths that name a model in the `collection`, which stands before its name in a body, too.
    """

    paths: tuple[str, ...]
    prefix: str = "/v1"
    runs_any_model: tuple[str, ...] = ()
    own_url: re.Pattern[bytes] | None = None
    verbs: tuple[str, ...] = ()
    collection: str = ""
    uploads: UploadSessions | None = None
    other_prefix: str = ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Return the prefix, and the other one where there is one."""
        return (self.prefix, self.other_prefix) if self.other_prefix else (self.prefix,)

    def behind(self, path: str) -> str | None:
        """Return what follows the prefix of a path, None where it has none."""
        return behind(self.prefixes, path)

    def takes(self, path: str) -> bool:
        """Return whether a path behind the prefix is forwarded."""
        return _begins(path, self.paths)

    def model_in(self, path: str) -> tuple[str, str] | None:
        """Return the model that a path behind the prefix names, and its verb; None for any other path."""
        model, _, verb = path.removeprefix(f"/{self.collection}").rpartition(":")
        is_one = path.startswith(f"/{self.collection}") and verb in self.verbs and model
        return (model, verb) if is_one else None

    def may_run_any_model(self, path: str) -> bool:
        """Return whether what is made at that path names its models within."""
        return _begins(path, self.runs_any_model)


def behind(prefixes: tuple[str, ...], path: str) -> str | None:
    """Return what follows the first of the prefixes that begins the path, None where none does."""
    return next((path.removeprefix(each) for each in prefixes if path.startswith(f"{each}/")), None)


def _begins(path: str, beginnings: tuple[str, ...]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in beginnings)


@dataclass(frozen=True, slots=True)
class Listing:
    """The list of models: `card` makes the entry of one, made at a Unix time, and `listed` the list of a page's.

    `page` cuts the page that a query asks for out of all names; it raises CallerError. `paths` are those of this format
    alone. At `/v1/models`, which many share, any of `client_headers` tells a client.
    """

    card: Callable[[str, float], Json]
    listed: Callable[[list[Json], Page], Json]
    page: Callable[[Sequence[str], Mapping[str, str]], Page] = whole
    paths: tuple[str, ...] = ()
    client_headers: tuple[bytes, ...] = ()


def page_size(query: Mapping[str, str], name: str, most: int) -> int:
    """Return how many entries a page is to have: all that fit, unless the query says less. Raises CallerError."""
    given = query.get(name, "")
    if not given:
        return most
    if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given) > 0):
        raise CallerError(f"{name!r} must be a number from 1 to {most}", param=name)
    return min(int(given), most)


def place_of(names: Sequence[str], query: Mapping[str, str], name: str) -> int | None:
    """Return the position of the entry that the query names, None where it names none. Raises CallerError."""
    given = query.get(name, "")
    if not given:
        return None
    if given not in names:
        raise CallerError(f"{name!r} names no entry of the list", param=name)
    return names.index(given)


@dataclass(frozen=True, slots=True)
class Counting:
    """Endpoint that counts a request's tokens without answering the request.

    A provider of the same format is asked at `provider_path`, behind its base path, with the `changes` that a version
    makes in the client's question. `check` raises ProviderError when its answer is no count. `answer` writes one.
    `asked` finds the request in question in the client's body. A `{model}` in `path` names the agent. Some clients ask
    at `other_path`.
    """

    path: str
    provider_path: str
    changes: Callable[[Document, Settings, str], Mapping[str, str | None]]
    check: Callable[[bytes], None]
    answer: Callable[[int], bytes]
    asked: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda values: values
    other_path: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the path, and the other one where there is one."""
        return (self.path, self.other_path) if self.other_path else (self.path,)

    @property
    def names_agent(self) -> bool:
        """Return whether the path names the agent."""
        return "{" in self.path
