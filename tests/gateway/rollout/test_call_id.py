"""Call ids: they say where a call was booked to whom made them, and nothing to anybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import ArmName
from gateway.rollout.call_id import Booking, mint, name_digest, place, read

KEY, NONCE = b"the deployment's key", b"12345678"
UNIT = "0123456789abcdef"


def minted(nonce: bytes = NONCE, key: bytes = KEY) -> str:
    """The id of a call of the caller `web`."""
    return mint(place("support", "v2", "canary", False, 3, 5), UNIT, "web", nonce, key)


@given(
    arm=st.sampled_from([None, "stable", "canary"]),
    apart=st.booleans(),
    answered=st.booleans(),
    epochs=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    unit=st.binary(min_size=8, max_size=8),
    nonce=st.binary(min_size=8, max_size=8),
)
def test_what_is_minted_is_read(
    arm: ArmName | None, apart: bool, answered: bool, epochs: tuple[int, int], unit: bytes, nonce: bytes
) -> None:
    """All of it, from 52 characters that stand in a URL as they are."""
    booking = Booking(name_digest("a"), name_digest("v"), arm, apart, *epochs, unit.hex(), answered)
    call_id = mint(place("a", "v", arm, apart, *epochs, answered), unit.hex(), "web", nonce, KEY)
    assert read(call_id, "web", KEY) == booking and len(call_id) == 52 and "=" not in call_id


def test_no_two_calls_have_one_id() -> None:
    """Of the same unit under the same epochs: the nonce tells them apart."""
    assert minted() != minted(b"12345679")


@given(position=st.integers(0, 51), other=st.sampled_from("AZaz09-_"))
def test_an_altered_id_is_nobodys(position: int, other: str) -> None:
    """Whichever character was changed: feedback cannot be booked on another version."""
    call_id = minted()
    altered = call_id[:position] + other + call_id[position + 1 :]
    assert (read(altered, "web", KEY) is None) == (altered != call_id)


@pytest.mark.parametrize("foreign", ["", "chosen-by-the-client", "A" * 52, "é" * 52, "=", "A" * 5000, "A" * 51])
def test_an_id_that_we_did_not_make(foreign: str) -> None:
    """Cannot be read, whatever it looks like."""
    assert read(foreign, "web", KEY) is None


@pytest.mark.parametrize("junk", ["!", "\n", " ", "=", "==", "\x00", "AAAA"])
@pytest.mark.parametrize("place", [0, 20, 52])
def test_an_id_has_one_spelling(junk: str, place: int) -> None:
    """What a base64 decoder would skip makes another id of it, or one call could be scored again and again."""
    call_id = minted()
    assert read(call_id[:place] + junk + call_id[place:], "web", KEY) is None


@pytest.mark.parametrize("other", ["", "we", "webb", "other", "é"])
def test_another_callers_id(other: str) -> None:
    """Who has seen the id of another caller's call cannot use it."""
    assert read(minted(), other, KEY) is None


def test_another_deployments_id() -> None:
    """Its key is another."""
    assert read(minted(key=b"another key"), "web", KEY) is None


def test_an_epoch_beyond_its_field_is_cut() -> None:
    """After four billion changes: the call is served, and its feedback is late."""
    far = place("support", "v2", None, True, 2**40, 2**40)
    found = read(mint(far, UNIT, "web", NONCE, KEY), "web", KEY)
    assert found and (found.rollout, found.evidence) == (2**32 - 1, 2**32 - 1)
