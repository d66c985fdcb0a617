"""What signs a webhook and a reply: the secret, the time and every byte."""

import hashlib
import hmac

import pytest

from gateway.webhook.signature import SIGNATURE, TIMESTAMP, TOLERANCE_SECONDS, is_signed, signed

SECRET, BODY, NOW = b"a secret", b'{"message":"hello"}', 1_800_000_000.7


def test_signature() -> None:
    """As a receiver checks it with nothing but a library for HMAC."""
    headers = dict(signed(SECRET, BODY, NOW))
    wanted = hmac.new(SECRET, b"1800000000." + BODY, hashlib.sha256).hexdigest()
    assert headers == {TIMESTAMP: b"1800000000", SIGNATURE: f"v1={wanted}".encode()}


@pytest.mark.parametrize("late", [-TOLERANCE_SECONDS, 0, TOLERANCE_SECONDS])
def test_clocks_may_differ(late: int) -> None:
    """By five minutes, either way."""
    headers = dict(signed(SECRET, BODY, 1_800_000_000))
    assert is_signed(SECRET, headers[TIMESTAMP], headers[SIGNATURE], BODY, 1_800_000_000 + late)


@pytest.mark.parametrize("late", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_too_late(late: int) -> None:
    """What was overheard is of no use for long."""
    headers = dict(signed(SECRET, BODY, 1_800_000_000))
    assert not is_signed(SECRET, headers[TIMESTAMP], headers[SIGNATURE], BODY, 1_800_000_000 + late)


@pytest.mark.parametrize(
    ("secret", "change", "body"),
    [
        (b"another", {}, BODY),
        (SECRET, {}, BODY + b" "),
        (SECRET, {TIMESTAMP: b"1800000001"}, BODY),
        (SECRET, {TIMESTAMP: b"soon"}, BODY),
        (SECRET, {TIMESTAMP: None}, BODY),
        (SECRET, {SIGNATURE: None}, BODY),
        (SECRET, {SIGNATURE: b"v1="}, BODY),
        (SECRET, {SIGNATURE: b"\xff"}, BODY),
    ],
)
def test_forgeries(secret: bytes, change: dict[bytes, bytes | None], body: bytes) -> None:
    """Another secret, body or time, or a header that is missing or nonsense."""
    headers: dict[bytes, bytes | None] = {**dict(signed(SECRET, BODY, NOW)), **change}
    assert not is_signed(secret, headers[TIMESTAMP], headers[SIGNATURE], body, NOW)
