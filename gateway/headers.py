"""Headers that cross the gateway, in each direction: an allow-list, so that keys and cookies never do."""

from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import Generic, TypeVar
from urllib.parse import quote, unquote_plus

from gateway.errors import Headers
from gateway.formats.registry import KEY_HEADERS, PROVIDERS

JSON = (b"content-type", b"application/json")
EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_TO_PROVIDER = frozenset({b"accept", b"idempotency-key", b"traceparent", b"tracestate", b"user-agent"})
_OF_AN_API = tuple(sorted({side.facts.header_prefix for side in PROVIDERS.values()} - {b""}))
_TO_PROVIDER_PREFIXES = (*_OF_AN_API, b"x-stainless-")
_TO_CLIENT = frozenset(
    {b"content-type", b"content-encoding", b"retry-after", b"retry-after-ms", b"x-should-retry", b"x-request-id"}
)
_TO_CLIENT_PREFIXES = (b"x-ratelimit-", *_OF_AN_API)
# The account that a call is booked on is the gateway's: its key goes with no client's organization or project, and none
# of ours is shown. Words of a header's name, in both directions.
_ACCOUNT_WORDS = frozenset(
    {b"account", b"billing", b"org", b"organisation", b"organization", b"project", b"subscription", b"tenant"}
    | {b"workspace"}
)
# Whatever the configuration forwards; all else that an operator names is the operator's own.
_ACCOUNTS = frozenset(name for side in PROVIDERS.values() for name in side.facts.account_headers)
_UPSTREAM_ID = b"x-upstream-request-id"
# What we write is JSON whatever the client called it, and answers are looked into: nothing is gained by unpacking them.
_OURS = (JSON, (b"accept-encoding", b"identity"))

# Whatever the configuration says, these never reach a provider: hop-by-hop (RFC 9110, 7.6.1), credentials, our own.
_NEVER = KEY_HEADERS | frozenset(
    {
        b"authorization", b"api-key", b"cookie", b"host", b"expect", b"connection",
        b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"content-length", b"content-encoding", b"content-type", b"accept-encoding", b"http2-settings",
    }
)  # fmt: skip
_PRINTABLE = bytes(range(0x21, 0x7F))
_CREDENTIALS_IN_QUERY = frozenset({"key", "api_key", "api-key", "access_token"})
_MOST_NAMES = 1024  # remembered; what a client may invent beyond that is decided anew each time
_LONGEST_NAME = 128  # bytes of a name that is remembered; real ones are shorter
_name_of = itemgetter(0)

_Decided = TypeVar("_Decided")


class _Names(dict[bytes, _Decided], Generic[_Decided]):
    """Decisions by a header's name alone, cached: nearly every call brings the same names."""

    def __init__(self, decide: Callable[[bytes], _Decided]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, name: bytes) -> _Decided:
        decided = self._decide(name)
        if len(self) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
            self[name] = decided
        return decided


def to_provider(headers: Iterable[tuple[bytes, bytes]], forward: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """The client's headers (lower-case names) that go on to the provider; `forward` are patterns of further ones."""
    headers = list(headers)
    kept = compress(headers, map(_forwarded(forward).__getitem__, map(_name_of, headers)))
    if b"connection" in map(_name_of, headers):
        named = _connection_names(headers)
        return [*_OURS, *(pair for pair in kept if pair[0] not in named)]
    return [*_OURS, *kept]


def of_type(
    headers: Iterable[tuple[bytes, bytes]], forward: tuple[str, ...], content_type: bytes | None
) -> list[tuple[bytes, bytes]]:
    """The same for a body that goes on as that content type; None: as the client called it, if it did."""
    headers = list(headers)
    if content_type is None:
        content_type = next((value for name, value in headers if name == b"content-type"), None)
    typed = [] if content_type is None else [(b"content-type", content_type)]
    return [*typed, *(item for item in to_provider(headers, forward) if item is not JSON)]


def to_client(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The provider's headers that the client gets; the provider's request id under a name of its own."""
    return _kept(headers, _typed)


def to_client_untyped(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers for the client without the content type, for an answer that has its own."""
    return _kept(headers, _untyped)


def query_to_provider(query: bytes) -> str:
    """The client's query string without anything that is a credential, spelled so that it can be sent."""
    if not query:
        return ""
    parts = quote(query, safe=_PRINTABLE).split("&")
    return "&".join(part for part in parts if _query_name(part) not in _CREDENTIALS_IN_QUERY)


def without_names(query: str, names: Iterable[str]) -> str:
    """A query string without the parameters of those names."""
    return "&".join(part for part in query.split("&") if _query_name(part) not in names)


def retry_after(headers: Headers, now: float) -> float | None:
    """The Retry-After of an answer in seconds from `now` (Unix seconds); None when there is none to obey."""
    for name, unit in ((b"retry-after-ms", 1000.0), (b"retry-after", 1.0)):
        text = next((value for each, value in headers if each == name), b"").decode("latin-1").strip()
        if text.replace(".", "", 1).isdecimal():
            return float(text) / unit
    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def _query_name(part: str) -> str:
    return unquote_plus(part.partition("=")[0]).strip().lower()


@lru_cache(maxsize=64)  # the patterns of one configuration, rarely those of a second
def _forwarded(forward: tuple[str, ...]) -> _Names[bool]:
    return _Names(lambda name: _goes_on(name, forward))


def _connection_names(headers: Headers) -> set[bytes]:
    """Return the headers that Connection names (RFC 9110, 7.6.1)."""
    values = [value for name, value in headers if name == b"connection"]
    return {part.strip().lower() for value in values for part in value.split(b",")}


def _goes_on(name: bytes, forward: tuple[str, ...]) -> bool:
    if name in _NEVER or name in _ACCOUNTS or name.startswith(b"x-serinus-"):
        return False
    if name in _TO_PROVIDER or (name.startswith(_TO_PROVIDER_PREFIXES) and not _names_account(name)):
        return True
    return bool(forward) and any(fnmatchcase(name.decode("latin-1"), pattern) for pattern in forward)


def _kept(headers: Headers, goes: _Names[bool]) -> list[tuple[bytes, bytes]]:
    kept = list(compress(headers, map(goes.__getitem__, map(_name_of, headers))))
    names = list(map(_name_of, kept))
    while b"x-request-id" in names:
        place = names.index(b"x-request-id")
        names[place], kept[place] = _UPSTREAM_ID, (_UPSTREAM_ID, kept[place][1])
    return kept


def _goes_to_client(name: bytes) -> bool:
    return name in _TO_CLIENT or (name.startswith(_TO_CLIENT_PREFIXES) and not _names_account(name))


def _names_account(name: bytes) -> bool:
    """Return whether a header names an account."""
    return not _ACCOUNT_WORDS.isdisjoint(name.split(b"-"))


_typed = _Names(_goes_to_client)
_untyped = _Names(lambda name: name != b"content-type" and _goes_to_client(name))
