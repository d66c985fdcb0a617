"""Signatures between the gateway and a webhook's receiver: HMAC-SHA256 (RFC 2104) over `<timestamp>.<body>`.

Both directions are signed alike: what the webhook is told, and what its receiver replies.
"""

import hashlib
import hmac
import re

TIMESTAMP, SIGNATURE = b"x-serinus-timestamp", b"x-serinus-signature"
TOLERANCE_SECONDS = 300  # how far two clocks may differ, and for how long a signature that was overheard is any good
_VERSION = b"v1="
_UNIX = re.compile(rb"[0-9]{1,12}")
_SIGNATURE = re.compile(rb"v1=[0-9a-f]{64}")


def signed(secret: bytes, body: bytes, now: float) -> list[tuple[bytes, bytes]]:
    """The headers that sign the body at that time (Unix seconds)."""
    timestamp = str(int(now)).encode()
    return [(TIMESTAMP, timestamp), (SIGNATURE, _VERSION + _digest(secret, timestamp, body))]


def may_be_signed(timestamp: bytes | None, signature: bytes | None, now: float) -> bool:
    """Return whether both headers have the form of a signature within the tolerance; the body is not checked."""
    if timestamp is None or signature is None or _UNIX.fullmatch(timestamp) is None:
        return False
    return abs(now - int(timestamp)) <= TOLERANCE_SECONDS and _SIGNATURE.fullmatch(signature) is not None


def is_signed(secret: bytes, timestamp: bytes | None, signature: bytes | None, body: bytes, now: float) -> bool:
    """Return whether both headers sign the body, within the tolerance; compared in constant time."""
    if timestamp is None or signature is None or not may_be_signed(timestamp, signature, now):
        return False
    return hmac.compare_digest(signature, _VERSION + _digest(secret, timestamp, body))


def _digest(secret: bytes, timestamp: bytes, body: bytes) -> bytes:
    return hmac.new(secret, timestamp + b"." + body, hashlib.sha256).hexdigest().encode()
