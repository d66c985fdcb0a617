"""Encoding of a call's record for the store: one line of JSON without the names of its members.

Members are told by their place, so new ones come last. A replica of another release reads what it knows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from gateway.store.trace_seam import KeptCall
from gateway.tool_use import RequestedTool, ReturnedTool
from gateway.traces.record import AttemptRecord, CallRecord

_NAMES = [field.name for field in fields(CallRecord)]
_values = attrgetter(*_NAMES)
_attempt_values = attrgetter(*(field.name for field in fields(AttemptRecord)))
_MOST_OF_ATTEMPT = len(fields(AttemptRecord))
_MS = 1_000


class Summary(NamedTuple):
    """Members of a record by which calls and conversations are found. Times are milliseconds."""

    began_ms: int
    ended_ms: int
    version: str
    caller: str
    unanswered: bool
    cost_nano_usd: int
    call_id: str


def kept(record: CallRecord) -> KeptCall:
    """Return what the store is to keep of a record."""
    joins, trace_keys, is_notable = record.joins, record.trace_keys, _is_notable(record)
    summary = orjson.dumps(list(summary_of(record))).decode()
    return KeptCall(record.key, record.conversation, joins, trace_keys, is_notable, summary, encode(record))


def encode(record: CallRecord) -> str:
    """Return a record as text."""
    return orjson.dumps(_values(record), default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS).decode()


def decode(text: str) -> CallRecord:
    """Read back what `encode` has written."""
    members = dict(zip(_NAMES, orjson.loads(text), strict=False))
    members["attempts"] = tuple(AttemptRecord(*each[:_MOST_OF_ATTEMPT]) for each in members["attempts"])
    members["requested"] = tuple(RequestedTool(*each[: len(RequestedTool._fields)]) for each in members["requested"])
    members["returned"] = tuple(ReturnedTool(*each[: len(ReturnedTool._fields)]) for each in members["returned"])
    members["joins"], members["trace_keys"] = tuple(members["joins"]), tuple(members["trace_keys"])
    return CallRecord(**members)


def decode_all(texts: Iterable[str]) -> list[CallRecord]:
    """Read back several records, the earliest call first."""
    return sorted(map(decode, texts), key=lambda record: (record.began_at, record.key))


def summary_in(text: str) -> Summary:
    """Read back a record's summary."""
    values: Sequence[Any] = orjson.loads(text)
    return Summary(*values[: len(Summary._fields)])


def summary_of(record: CallRecord) -> Summary:
    """Return what a record is found by."""
    began, ended = round(record.began_at * _MS), round(record.ended_at * _MS)
    return Summary(began, ended, record.version, record.caller, record.unanswered, record.cost_nano_usd, record.id)


def _is_notable(record: CallRecord) -> bool:
    """Return whether anything but a plain good answer came of the call."""
    return record.end != "answered" or len(record.attempts) > 1


def _plain(value: object) -> object:
    """Return what orjson does not write by itself: it knows no named tuples, and writes data classes with names."""
    if isinstance(value, AttemptRecord):
        return _attempt_values(value)
    if isinstance(value, RequestedTool | ReturnedTool):
        return list(value)
    raise TypeError(type(value).__name__)
