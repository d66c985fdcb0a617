"""Trace context of a call: the trace that it belongs to, and the ids of its spans (W3C Trace Context).

Every id is a digest of the call's nonce, so that nothing has to be carried along a call: whoever has its id can name
its spans, before and after they were made.
"""

import binascii
import re
from base64 import urlsafe_b64decode
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import NamedTuple

from gateway.conversation import TRACE_HEADER
from gateway.net.client import Request

TRACE_STATE_HEADER = b"tracestate"
MOST_AT_ONCE = 1_024  # calls whose ids are remembered; those of others are made again
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_NONCE = slice(25, 33)  # within a call's id (`gateway.rollout.call_id`)
_parent_of = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?").fullmatch
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_MOST = (1 << 64) - 1
_OF_PARENT = frozenset({TRACE_HEADER})
_OF_TRACE = frozenset({TRACE_HEADER, TRACE_STATE_HEADER})
_name_of = itemgetter(0)
_NEW = blake2b(digest_size=_TRACE_BYTES + _SPAN_BYTES, person=b"trace")

# Numbers of a call's spans. A shadow's copy has its call's nonce, and counts on from SHADOW.
SERVER_SPAN, CHAT_SPAN, EVALUATION_SPAN, FIRST_ATTEMPT, SHADOW = 0, 1, 2, 16, 1 << 16
_SAMPLED = 1


class RemoteParent(NamedTuple):
    """The span of a client's that a call belongs to, as its `traceparent` names it."""

    trace_id: str
    span_id: str
    is_sampled: bool


class TraceContext(NamedTuple):
    """The trace of a call. `parent_id` is the client's span, '' where the call begins the trace. `is_sampled` was
    decided at its beginning."""

    trace_id: str
    parent_id: str
    is_sampled: bool


def remote_parent(header: str) -> RemoteParent | None:
    """Return what a `traceparent` says; None for a missing or invalid one."""
    if not header or (found := _parent_of(header)) is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return RemoteParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def own_trace_id(nonce: bytes) -> str:
    """Return the id of the trace that a call begins."""
    return _ids_of(nonce)[0]


def span_id(nonce: bytes, number: int) -> str:
    """Return the id of one of the call's spans: `SERVER_SPAN` and the like, or a number behind `FIRST_ATTEMPT`."""
    return f"{(_ids_of(nonce)[1] + number) & _MOST:016x}"


def attempt_span_id(nonce: bytes, index: int, *, is_shadow: bool = False) -> str:
    """Return the id of the span of the attempt with that index."""
    return span_id(nonce, FIRST_ATTEMPT + index + (SHADOW if is_shadow else 0))


def tool_span_id(nonce: bytes, name: str) -> str:
    """Return the id of the span of a tool that the call's answer asked for."""
    return blake2b(nonce + name.encode("utf-8", "replace"), digest_size=_SPAN_BYTES, person=b"tool").hexdigest()


@lru_cache(maxsize=MOST_AT_ONCE)  # asked at each try, and at the call's end
def _ids_of(nonce: bytes) -> tuple[str, int]:
    """Return the id of a call's trace, and the number from which its spans count."""
    started = _NEW.copy()  # takes half of the time that making one takes
    started.update(nonce)
    digest = started.digest()
    return digest[:_TRACE_BYTES].hex(), int.from_bytes(digest[_TRACE_BYTES:])


def nonce_in(call_id: str) -> bytes | None:
    """Return the nonce in a call's id; None for an id that was made elsewhere."""
    try:
        raw = bytes.fromhex(call_id) if len(call_id) == 2 * _SPAN_BYTES else urlsafe_b64decode(call_id)[_NONCE]
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == _NONCE.stop - _NONCE.start else None


def put_into(request: Request, context: TraceContext, span: str) -> None:
    """Make that span the parent of whatever the provider does for the request.

    `tracestate` stays where the client's trace goes on, and goes where the call begins one.
    """
    headers = request.headers
    dropped = _OF_PARENT if context.parent_id else _OF_TRACE
    if not dropped.isdisjoint(map(_name_of, headers)):
        headers = [pair for pair in headers if pair[0] not in dropped]
    flags = "01" if context.is_sampled else "00"
    request.headers = [*headers, (TRACE_HEADER, f"00-{context.trace_id}-{span}-{flags}".encode())]
