"""Header names that an operator may forward or route by: no credentials, nothing that frames a message."""

import re
from typing import Final

from gateway.formats.registry import KEY_HEADERS

HEADER_NAME: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"  # RFC 9110, section 5.6.2, with a bound of our own

# RFC 9110, section 7.6.1, and what the connection to the upstream decides by itself.
_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}
    | {"host", "content-length", "content-type", "content-encoding", "accept-encoding", "expect"}
)
_OURS: Final = "x-serinus-"
_CREDENTIAL_WORDS: Final = frozenset(
    {"auth", "authorization", "authentication", "cookie", "cookie2", "cookies", "credential", "credentials", "jwt"}
    | {"keys", "apikey", "passwd", "password", "secret", "secrets", "session", "sessionid", "sid", "signature", "token"}
    | {"tokens", "bearer", "key", "pat", "otp"}
)
_HARMLESS: Final = frozenset({"idempotency-key"})
# What a pattern must not be wide enough to catch; exact names are judged by their words.
_KNOWN_CREDENTIALS: Final = (
    "authorization",
    "api-key",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-auth-token",
    *sorted(name.decode() for name in KEY_HEADERS - {b"authorization"}),
    "x-serinus-",
)


def may_forward(name: str) -> bool:
    """Return whether a request header (lower case) that matches an operator's pattern may go upstream."""
    return not is_credential(name) and name not in _CONNECTION and not name.startswith(_OURS)


def is_credential(name: str) -> bool:
    """Return whether a header's name (lower case) indicates a secret."""
    return name not in _HARMLESS and not _CREDENTIAL_WORDS.isdisjoint(re.split("[-_.]", name))


def forward_pattern(written: object) -> str:
    """A pattern of `forward_headers` in lower case. Raises ValueError with a hint."""
    if not isinstance(written, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}\*?", written):
        raise ValueError("must be a header name, or the beginning of one and a star, such as x-trace-*")
    pattern = written.lower()
    if not may_forward(pattern.removesuffix("*")) or pattern.removesuffix("*").startswith("proxy-"):
        raise ValueError(f"{pattern!r} is never forwarded: a credential, a connection header or one of our own")
    if pattern.endswith("*") and (caught := _caught(pattern[:-1])):
        raise ValueError(f"{pattern!r} would forward {caught} too; write a longer beginning, such as x-trace-*")
    return pattern


def fixed_header(written: object) -> str:
    """The lower-case name of a header that a provider gets with every request. Raises ValueError with a hint."""
    if not isinstance(written, str) or not re.fullmatch(HEADER_NAME, written):
        raise ValueError("must be a header name, such as OpenAI-Project")
    name = written.lower()
    if not may_forward(name):
        raise ValueError(f"{written!r} cannot be set: a credential (use api_key), a connection header or one of ours")
    return name


def fixed_value(written: object) -> str:
    """The value of such a header. Raises ValueError with a hint."""
    if not isinstance(written, str) or not re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]{0,998}[\x21-\x7e])?", written):
        raise ValueError("must be text that can stand in a header, such as proj_abc; put it in quotes")
    return written


def fact_header(name: str) -> str:
    """The lower-case name of a header that rules or `sticky` may read. Raises ValueError with a hint."""
    lower = name.lower()
    if not re.fullmatch(HEADER_NAME, lower):
        raise ValueError(f"{name!r} is not a header name; write header:<name>, such as header:x-tenant")
    if is_credential(lower):
        raise ValueError(f"{name!r} is a credential; use the fact `caller` or `user`, or another header")
    return lower


def _caught(beginning: str) -> str | None:
    return next((name for name in (*_KNOWN_CREDENTIALS, *sorted(_CONNECTION)) if name.startswith(beginning)), None)
