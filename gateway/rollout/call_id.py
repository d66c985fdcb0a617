"""Call ids that know where their call was booked, so that feedback needs no memory of every call.

An id is 52 characters: what was served, to whom and under which epochs, and a keyed digest that makes it ours. The
digest covers the caller's name too, so an id can be read for the caller that made the call, and for no other.
"""

import binascii
import hmac
import re
import struct
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from gateway.calls import ArmName

_PLACE = struct.Struct(">4s4sBII")
_LAYOUT = struct.Struct(f"{_PLACE.format}8s8s")
_MAC_BYTES = 6
_ID = re.compile(r"[A-Za-z0-9_-]{52}")
_ARMS: tuple[ArmName | None, ...] = (None, "stable", "canary")
_ARM_NUMBERS: Mapping[ArmName | None, int] = {arm: number for number, arm in enumerate(_ARMS)}
_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # RFC 4648, 5
_APART, _UNANSWERED = 4, 8
_MOST = 0xFFFFFFFF


class Booking(NamedTuple):
    """Booking of a call. `agent` and `version` are digests of the names (`name_digest`), `unit` 16 hex digits.

    `apart` is set for pinned and rule-matched calls; `arm` is None for those, and while nothing is on trial. `answered`
    is False where no version gave the answer: an error, or a handover to a person.
    """

    agent: bytes
    version: bytes
    arm: ArmName | None
    apart: bool
    rollout: int
    evidence: int
    unit: str
    answered: bool = True


@lru_cache(maxsize=1024)  # of configured names and the epochs of late; the calls of an arm have one in common
def place(
    agent: str, version: str, arm: ArmName | None, apart: bool, rollout: int, evidence: int, answered: bool = True
) -> bytes:
    """The part of an id that says where its call is booked, but for the unit: see `Booking`."""
    flags = _ARM_NUMBERS[arm] + _APART * apart + _UNANSWERED * (not answered)
    epochs = min(rollout, _MOST), min(evidence, _MOST)
    return _PLACE.pack(name_digest(agent), name_digest(version), flags, *epochs)


def mint(place: bytes, unit: str, caller: str, nonce: bytes, key: bytes) -> str:
    """The id of that caller's call: `nonce` is 8 bytes that no other call has."""
    payload = place + bytes.fromhex(unit) + nonce
    return binascii.b2a_base64(payload + _mac(payload, caller, key), newline=False).translate(_URL_SAFE).decode()


def read(call_id: str, caller: str, key: bytes) -> Booking | None:
    """Return where the call of that id was booked; None for an id that was made elsewhere, or for another caller."""
    if _ID.fullmatch(call_id) is None:  # the decoder skips what is no base64, and one id would have many spellings
        return None
    raw = urlsafe_b64decode(call_id)
    payload, mac = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    if not hmac.compare_digest(mac, _mac(payload, caller, key)):
        return None
    agent, version, flags, rollout, evidence, unit, _ = _LAYOUT.unpack(payload)
    arm, apart, answered = _ARMS[flags % _APART], bool(flags & _APART), not flags & _UNANSWERED
    return Booking(agent, version, arm, apart, rollout, evidence, unit.hex(), answered)


def nonce_in(call_id: str) -> tuple[bytes, bytes] | None:
    """Return the agent's digest and the nonce that an id names, whoever made it; None for what is no id."""
    if _ID.fullmatch(call_id) is None:
        return None
    agent, *_, nonce = _LAYOUT.unpack(urlsafe_b64decode(call_id)[: _LAYOUT.size])
    return agent, nonce


@lru_cache(maxsize=1024)  # configured names alone, which are few
def name_digest(name: str) -> bytes:
    """Four bytes that stand for an agent's or a version's name."""
    return blake2b(name.encode(), digest_size=4).digest()


def _mac(payload: bytes, caller: str, key: bytes) -> bytes:
    mac = _keyed(key).copy()
    mac.update(payload + caller.encode())  # the payload's length is fixed, so where it ends is clear
    return mac.digest()


@lru_cache(maxsize=16)  # the key of a configuration: taking it in is half of the work
def _keyed(key: bytes) -> blake2b:
    return blake2b(digest_size=_MAC_BYTES, key=key, person=b"call-id")
