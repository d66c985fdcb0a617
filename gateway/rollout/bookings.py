"""Bookings of calls that get a score: where each was booked, and whether its score is evidence about a canary.

The booking stands in the call's id, which only its caller can have (`gateway.rollout.call_id`).
"""

from collections.abc import Mapping

from gateway.calls import Caller
from gateway.errors import NotFound
from gateway.rollout import call_id as callid
from gateway.rollout.call_id import Booking
from gateway.rollout.table import Entry, Table

UNANSWERED = "no version answered this call: it ended in an error, or went to a person"


def find_booking(table: Table, key: bytes, call_id: str, caller: Caller) -> tuple[Entry, Booking] | None:
    """Return the agent and the booking of a call, if it is this caller's own. `key` is that of fingerprints."""
    booking = callid.read(call_id, caller.name, key)
    entries = [table.entry(name) for name in table]
    entry = next((e for e in entries if e and booking and callid.name_digest(e.agent.name) == booking.agent), None)
    if booking is None or entry is None or not caller.may_call(entry.agent.name):
        return None
    return entry, booking


def version_of(entry: Entry, booking: Booking) -> str:
    """Return the version that served a call. Raises NotFound."""
    names: Mapping[str, object] = entry.agent.versions
    found = next((name for name in names if callid.name_digest(name) == booking.version), None)
    if found is None:
        raise NotFound("the version that served this call is no longer configured", code="unknown_version")
    return found


def why_no_evidence(entry: Entry, booking: Booking) -> str | None:
    """Return why the score is no evidence about a canary; None if it is evidence."""
    if booking.arm is None:
        return "the call is no evidence: no trial ran, or a pin or a rule chose the version"
    if entry.state is None or entry.state.evidence != booking.evidence:
        return "late: the step in which the call was served is over"
    return None


def name_of_call(call_id: str) -> str:
    """Return the name under which a call is scored once."""
    return f"call:{call_id}"
