"""Call ids that know where their call was booked, so that feedback needs no memory of every call.

An id is 52 characters: what was served, to whom and under which epochs, and a keyed digest that makes it ours. An id
that a client chose itself cannot be read back; feedback on it is answered as unknown.
"""

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from gateway.calls import ArmName

_LAYOUT = struct.Struct(">4s4sBII8s8s")
_MAC_BYTES = 6
_ARMS: tuple[ArmName | None, ...] = (None, "stable", "canary")
_ARM_NUMBERS: Mapping[ArmName | None, int] = {arm: number for number, arm in enumerate(_ARMS)}
_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # RFC 4648, 5
_APART = 4
_MOST = 0xFFFFFFFF


class Booking(NamedTuple):
    """Where a call was booked. `agent` and `version` are digests of the names (`name_digest`), `unit` 16 hex digits.

    `apart` is set for pinned and rule-matched calls; `arm` is None for those, and while nothing is on trial.
    """

    agent: bytes
    version: bytes
    arm: ArmName | None
    apart: bool
    rollout: int
    evidence: int
    unit: str


def mint(booking: Booking, nonce: bytes, key: bytes) -> str:
    """The id of a call: `nonce` is 8 bytes that no other call has."""
    payload = _LAYOUT.pack(
        booking.agent,
        booking.version,
        _ARM_NUMBERS[booking.arm] + _APART * booking.apart,
        min(booking.rollout, _MOST),
        min(booking.evidence, _MOST),
        bytes.fromhex(booking.unit),
        nonce,
    )
    return binascii.b2a_base64(payload + _mac(payload, key), newline=False).translate(_URL_SAFE).decode()


def read(call_id: str, key: bytes) -> Booking | None:
    """Where the call of that id was booked; None for an id that we did not make."""
    try:
        raw = urlsafe_b64decode(call_id.encode("ascii"))
    except (ValueError, binascii.Error):
        return None
    payload, mac = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    if len(raw) != _LAYOUT.size + _MAC_BYTES or not hmac.compare_digest(mac, _mac(payload, key)):
        return None
    agent, version, arm, rollout, evidence, unit, _ = _LAYOUT.unpack(payload)
    return Booking(agent, version, _ARMS[arm % _APART], arm >= _APART, rollout, evidence, unit.hex())


@lru_cache(maxsize=1024)  # configured names alone, which are few
def name_digest(name: str) -> bytes:
    """Four bytes that stand for an agent's or a version's name."""
    return blake2b(name.encode(), digest_size=4).digest()


def _mac(payload: bytes, key: bytes) -> bytes:
    mac = _keyed(key).copy()
    mac.update(payload)
    return mac.digest()


@lru_cache(maxsize=16)  # the key of a configuration: taking it in is half of the work
def _keyed(key: bytes) -> blake2b:
    return blake2b(digest_size=_MAC_BYTES, key=key, person=b"call-id")
