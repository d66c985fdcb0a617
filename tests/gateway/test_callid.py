"""Call ids: they say where a call was booked to whom made them, and nothing to anybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callid import Booking, mint, name_digest, read
from gateway.calls import ArmName

KEY, NONCE = b"the deployment's key", b"12345678"
BOOKING = Booking(name_digest("support"), name_digest("v2"), "canary", False, 3, 5, "0123456789abcdef")


@given(
    arm=st.sampled_from([None, "stable", "canary"]),
    apart=st.booleans(),
    epochs=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    unit=st.binary(min_size=8, max_size=8),
    nonce=st.binary(min_size=8, max_size=8),
)
def test_what_is_minted_is_read(
    arm: ArmName | None, apart: bool, epochs: tuple[int, int], unit: bytes, nonce: bytes
) -> None:
    """All of it, from 52 characters that stand in a URL as they are."""
    booking = Booking(name_digest("a"), name_digest("v"), arm, apart, *epochs, unit.hex())
    call_id = mint(booking, nonce, KEY)
    assert read(call_id, KEY) == booking and len(call_id) == 52 and "=" not in call_id


def test_no_two_calls_have_one_id() -> None:
    """Of the same unit under the same epochs: the nonce tells them apart."""
    assert mint(BOOKING, NONCE, KEY) != mint(BOOKING, b"12345679", KEY)


@given(position=st.integers(0, 51), other=st.sampled_from("AZaz09-_"))
def test_an_altered_id_is_nobodys(position: int, other: str) -> None:
    """Whichever character was changed: feedback cannot be booked on another version."""
    call_id = mint(BOOKING, NONCE, KEY)
    altered = call_id[:position] + other + call_id[position + 1 :]
    assert (read(altered, KEY) is None) == (altered != call_id)


@pytest.mark.parametrize("foreign", ["", "chosen-by-the-client", "A" * 52, "é" * 52, "=", "A" * 5000, "A" * 51])
def test_an_id_that_we_did_not_make(foreign: str) -> None:
    """Cannot be read, whatever it looks like."""
    assert read(foreign, KEY) is None


def test_another_deployments_id() -> None:
    """Its key is another."""
    assert read(mint(BOOKING, NONCE, b"another key"), KEY) is None


def test_an_epoch_beyond_its_field_is_cut() -> None:
    """After four billion changes: the call is served, and its feedback is late."""
    far = Booking(BOOKING.agent, BOOKING.version, None, True, 2**40, 2**40, BOOKING.unit)
    found = read(mint(far, NONCE, KEY), KEY)
    assert found and (found.rollout, found.evidence) == (2**32 - 1, 2**32 - 1)
