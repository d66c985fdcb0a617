"""Authentication of callers: a key's SHA-256, compared with every configured one in constant time."""

import hashlib
import hmac
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from time import time

from gateway.calls import Caller
from gateway.errors import Unauthenticated

OPEN = Caller("open", "default", is_only=True)  # everyone, when no keys are configured (loopback only)
_MOST_KNOWN = 4096  # headers that were found right, of usual length
_USUAL_BYTES = 256
_MARK_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Key:
    """A configured key: the digest of the secret, whom it stands for, and the Unix seconds from which it is refused."""

    sha256: bytes
    caller: Caller
    expires: float | None = None


class Doorkeeper:
    """Knows the keys of one loaded configuration."""

    def __init__(
        self,
        keys: Iterable[Key],
        admin_sha256: bytes | None,
        metrics_sha256: bytes | None = None,
        unix: Callable[[], float] = time,
    ) -> None:
        self._keys = tuple(keys)
        self._is_open = not self._keys
        self._unix = unix
        self.has_limited = any(key.caller.is_limited for key in self._keys)
        self._expires = {key.caller.name: key.expires for key in self._keys if key.expires is not None}
        self._admin = admin_sha256
        self._metrics = metrics_sha256
        self._digests = frozenset(filter(None, (*(key.sha256 for key in self._keys), admin_sha256, metrics_sha256)))
        self._known: dict[bytes, Key] = {}
        self._fresh: dict[bytes, Caller] = {}  # of those, whose use is noted already
        self._used: dict[bytes, float] = {}
        self._presented: dict[str, tuple[str, ...]] = {}

    @property
    def open(self) -> bool:
        """Return whether anyone may call."""
        return self._is_open

    def revoke_all_but(self, kept: Collection[bytes]) -> list[str]:
        """Refuse every key whose digest is not among these, and return whose keys were refused. No door opens by it."""
        revoked = [key for key in self._keys if key.sha256 not in kept]
        if revoked:
            self._keys = tuple(key for key in self._keys if key.sha256 in kept)
            self._known, self._fresh = {}, {}
        return sorted({key.caller.name for key in revoked})

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return the configured keys."""
        return self._keys

    @property
    def callers(self) -> list[Caller]:
        """Return whom the configured keys stand for."""
        return list({key.caller.name: key.caller for key in self._keys}.values())

    def caller(self, authorization: bytes | None) -> Caller:
        """Return the sender of `Authorization: Bearer <key>`. Raises Unauthenticated.

        A header that was found right is known as a whole from then on, so that a call costs the same however many keys
        there are; whatever is wrong or new is compared with all of them.
        """
        if self._is_open:
            return OPEN
        caller = self._fresh.get(authorization or b"") or self._noted(authorization)
        if self._expires and self.expires(caller.name) <= self._unix():
            raise Unauthenticated("this API key has expired: ask for another one", code="expired_api_key")
        return caller

    def expires(self, caller: str) -> float:
        """Return the Unix seconds from which that caller's keys are refused; infinity for never."""
        return self._expires.get(caller, math.inf)

    def take_uses(self) -> dict[str, float]:
        """Return when each key was used since the last time that this was asked for, by its mark, in Unix seconds."""
        used, self._used, self._fresh = self._used, {}, {}
        return {mark_of(digest.hex()): at for digest, at in used.items()}

    def _noted(self, authorization: bytes | None) -> Caller:
        """Return the sender, and note that the key is in use: the first time since the uses were taken."""
        key = self._known.get(authorization or b"") or self._compared(authorization)
        self._used[key.sha256] = self._unix()
        if authorization is not None and authorization in self._known:
            self._fresh[authorization] = key.caller
        return key.caller

    def _compared(self, authorization: bytes | None) -> Key:
        bearer = _bearer(authorization)
        digest = _digest(bearer)
        found = None
        for key in self._keys:  # all of them, so that time says nothing about which was near
            if hmac.compare_digest(digest, key.sha256):
                found = key
        if found is None:
            raise Unauthenticated("incorrect API key; send one of the configured keys as 'Authorization: Bearer <key>'")
        name = found.caller.name
        presented = self._presented.get(name, ())
        if (key_text := bearer.decode("latin-1")) not in presented:
            self._presented[name] = (*presented, key_text)
        if authorization is not None and len(authorization) <= _USUAL_BYTES and len(self._known) < _MOST_KNOWN:
            self._known[authorization] = found
        return found

    def keys_of(self, caller: str) -> tuple[str, ...]:
        """Return the keys that the caller of that name has sent: the configuration may hold only their digests."""
        return self._presented.get(caller, ())

    @property
    def has_secrets(self) -> bool:
        """Return whether there is any key or token."""
        return bool(self._digests)

    def holds(self, text: str) -> bool:
        """Return whether a text is a configured key or token, whoever has sent it."""
        return _digest(text.encode("utf-8", "replace")) in self._digests

    def is_admin(self, authorization: bytes | None) -> bool:
        """Return whether this header carries the admin token. Without a configured token nobody is admin."""
        return _is_token(authorization, self._admin)

    def reads_metrics(self, authorization: bytes | None) -> bool:
        """Return whether this header carries the metrics token or the admin token."""
        return _is_token(authorization, self._metrics) or self.is_admin(authorization)

    @property
    def has_admin(self) -> bool:
        return self._admin is not None


def mark_of(sha256: str) -> str:
    """Return what a key is known by where people compare it: the first digits of its digest."""
    return sha256[:_MARK_DIGITS].lower()


def is_only_caller(name: str, agents: Mapping[str, frozenset[str] | None]) -> bool:
    """Return whether no other key may call an agent that this key may call. `agents` is by key; None means all
    agents."""
    own, others = agents[name], [agents[other] for other in agents if other != name]
    if own is None:
        return not others
    return not any(other is None or own & other for other in others)


def _is_token(authorization: bytes | None, sha256: bytes | None) -> bool:
    """Return whether the header carries the token of that digest; False without one."""
    if sha256 is None:
        return False
    try:
        token = _bearer(authorization)
    except Unauthenticated:
        return False
    return hmac.compare_digest(_digest(token), sha256)


def _bearer(authorization: bytes | None) -> bytes:
    scheme, _, token = (authorization or b"").strip().partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not token:
        raise Unauthenticated("missing API key; send it as 'Authorization: Bearer <key>'")
    return token


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
