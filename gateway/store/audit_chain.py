"""The chain of an agent's audit events: each names the hash of the one before it, so that none can vanish unnoticed.

    hash = SHA-1( prev " " seq " " at " " SHA-256(canonical text of the rest) )

`commit.lua` makes it, for only there the predecessor and the time are certain. Redis offers no more than SHA-1, which
suffices: its input is of fixed form and holds a SHA-256 in place of the content, so nobody can place the crafted blocks
in it that collisions of SHA-1 need. `verify` needs the events alone. It cannot see that the newest ones were cut off
(the record's epoch tells), nor that somebody who may write to the store made the whole chain anew. `missing` compares
with what an installation keeps on its own disk; the hashes of the notices have left the store as well.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FIRST = "0" * 40  # the predecessor's hash in the first event of a chain
CHAIN_FIELDS = frozenset({"seq", "at", "prev", "hash"})  # what commit.lua adds to an event
_KINDS: Mapping[str, Any] = {
    "seq": int, "at": int | float, "prev": str, "hash": str, "epoch_before": int, "epoch_after": int,
}  # fmt: skip


def content_digest(event: Mapping[str, Any]) -> str:
    """SHA-256 of an event without the fields of its link, in hex. The canonical text has sorted keys and no spaces."""
    content = {name: value for name, value in event.items() if name not in CHAIN_FIELDS}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def event_hash(event: Mapping[str, Any]) -> str:
    """Return the hash that the event must have. Raises KeyError, TypeError or ValueError for what is no event."""
    text = f"{event['prev']} {event['seq']} {event['at']:.6f} {content_digest(event)}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def verify(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the problems of one agent's events, oldest first, as `audit_all` returns them; empty when all are valid.

    Each sentence names the event by its number in the chain and its epoch.
    """
    problems: list[str] = []
    before: Mapping[str, Any] | None = None
    for place, event in enumerate(events, start=1):
        if lacking := _lacking(event):
            problems.append(f"event at place {place}: it is no event of a chain; it lacks {', '.join(lacking)}")
            continue
        found = (_altered(event), _misplaced(event, before))
        problems += [f"event {event['seq']} (epoch {event['epoch_after']}): {problem}" for problem in found if problem]
        before = event
    return problems


def missing(events: Iterable[Mapping[str, Any]], seen: Iterable[tuple[int, str]]) -> list[str]:
    """Return one sentence for each event (epoch, hash) that the installation saw and the agent's trail lacks."""
    present = {(event.get("epoch_after"), event.get("hash")) for event in events}
    epochs = {epoch for epoch, _ in present}
    lost = {
        True: "it differs from the event that this installation has seen: the store's records were replaced",
        False: "this installation has seen it, but the store has lost it",
    }
    return [f"epoch {epoch} ({seal}): {lost[epoch in epochs]}" for epoch, seal in seen if (epoch, seal) not in present]


def _lacking(event: Mapping[str, Any]) -> list[str]:
    return [name for name, kind in _KINDS.items() if not isinstance(event.get(name), kind)]


def _altered(event: Mapping[str, Any]) -> str | None:
    return None if event["hash"] == event_hash(event) else "altered: its content does not match its hash"


def _misplaced(event: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
    """Return the contradiction between the event and the one before it."""
    seq, prev = event["seq"], event["prev"]
    if seq == 1 and (before is None or event["at"] > before["at"]):
        return _beginning(event, before)
    last = before["seq"] if before else 0
    if seq > last + 1:
        return f"missing: {_numbers(last + 1, seq - 1)} before it"
    if before is None or seq <= last:
        return f"reordered or repeated: it stands after event {last}"
    if prev != before["hash"]:
        return f"replaced: it follows an event {prev}, but event {last} is {before['hash']}"
    if event["epoch_before"] != before["epoch_after"]:
        return f"it was decided from epoch {event['epoch_before']}, but event {last} left epoch {before['epoch_after']}"
    return None


def _beginning(event: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
    """The first event of a chain is in order only where there can have been nothing before it."""
    after = f" after event {before['seq']} of another" if before else ""
    if event.get("action") == "restore":
        return f"a new chain begins here{after}: the store had lost the record, and the events before it"
    if before:
        return f"a new chain begins here{after}"
    if event["epoch_before"] or event["prev"] != FIRST:
        return f"missing: the events up to epoch {event['epoch_before']}"
    return None


def _numbers(first: int, last: int) -> str:
    return f"event {first}" if first == last else f"events {first} to {last}"
