"""What a release tells others by the schema of a record."""

import json

import pytest

from gateway.errors import StoreAway
from gateway.store.codec import decode_state, encode_state
from gateway.store.failures import decode_reasons
from gateway.store.schema import NEEDS, SCHEMA, StoreAhead
from gateway.store.sums import decode_sides
from policies.rollout.state import State, Step, VersionRef

STATE = State(
    epoch=3, phase="running", step=1, weight=500, stable=VersionRef("v1", "d1"), canary=VersionRef("v2", "d2"),
    rollout=1, evidence=3, reason="r", actor="a", action="start", changed_at=5.0, rolled_back={},
    steps=(Step(500, 60.0, 1, False),), earlier=((1, 100),),
)  # fmt: skip


def fields(**more: str) -> dict[str, str]:
    return {**encode_state(STATE), "changed_at": "5.0", **more}


def test_a_record_names_its_schema_and_the_oldest_that_may_read_it() -> None:
    """Both are numbers; nobody writes what its own release could not read."""
    written = encode_state(STATE)
    assert (written["schema"], written["needs"]) == (str(SCHEMA), str(NEEDS)) and NEEDS <= SCHEMA


def test_fields_and_members_of_a_newer_release_are_passed_over() -> None:
    """As long as it says that this one may read the record."""
    more = {
        "schema": str(SCHEMA + 1), "needs": str(SCHEMA), "novel": "x",
        "stable": '{"version":"v1","digest":"d1","novel":1}', "canary": '{"version":"v2","digest":"d2","novel":1}',
        "ladder": "[[500,60.0,1,false,7]]", "earlier": "[[1,100,9]]",
    }  # fmt: skip
    assert decode_state("a", fields(**more)) == STATE


def test_a_record_that_needs_a_newer_release_is_not_read() -> None:
    """The sentence names both numbers and what to do."""
    with pytest.raises(StoreAhead, match=rf"schema 9; this one knows up to {SCHEMA}.*until this replica runs"):
        decode_state("a", fields(schema="9", needs=str(SCHEMA + 1)))


def test_a_number_that_is_none() -> None:
    """The record cannot be read; it does not pass for one of an older release."""
    with pytest.raises(StoreAway, match="cannot be read"):
        decode_state("a", fields(needs="soon"))


def test_evidence_of_a_newer_release() -> None:
    """Arms and kinds that nobody knows are passed over; a known one that is no number is the store's fault."""
    known = {"began": "1", "canary|errors": "2", "canary|requests|0": "5", "window:0": "0 errors=1 "}
    novel = {"third|errors": "1", "canary|novel|w0": "0 x=1 ", "canary|novel": "x", "novel": "x"}
    assert decode_sides({**known, **novel}, 2.0) == decode_sides(known, 2.0)
    with pytest.raises(StoreAway, match="the evidence in the store cannot be read"):
        decode_sides({**known, "canary|errors": "many"}, 2.0)


def test_reasons_of_a_newer_release() -> None:
    """What it says beyond the known members is passed over."""
    described = ["p/m", "status", 500, "", "oops", True, "novel"]
    (counted,) = decode_reasons({"v1|x": f"2 5.0 id|{json.dumps(described)}"})["v1"]
    assert counted.reason is not None and counted.reason.message == "oops"
