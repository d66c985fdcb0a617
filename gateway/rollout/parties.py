"""Party of a call: its caller, or the user of an only caller. No party proves anything alone.

A party is named by a bin of its name's hash. Two in one bin count as one, which only makes a proof harder.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from hashlib import blake2b

from gateway.calls import Call, Caller
from gateway.conversation import user_of
from gateway.named_user import LONGEST_KEY
from policies.evidence.evidence import CALLER, CALLER_BINS, USER, USER_BINS


def party_of(call: Call) -> str:
    """The party of a call; '' where the only caller names no user, so that there is nobody to tell apart."""
    if not call.caller.is_only:
        return caller_party(call.caller)
    user = user_of(call.document)
    return _user_party(user) if user else ""


def is_of(call: Call, parties: Collection[str]) -> bool:
    """Return whether the call's caller, or the user that it names, is one of these parties.

    Which of the two is a call's party follows the keys in the configuration. An exclusion outlives an edit of them.
    """
    if _caller_bin(call.caller) in parties:
        return True
    return bool(user := user_of(call.document)) and _user_party(user) in parties


def caller_party(caller: Caller) -> str:
    """The party of a score, which no user is known of."""
    return "" if caller.is_only else _caller_bin(caller)


def party_named(name: str, callers: Iterable[Caller]) -> str:
    """The party of a score on a call of the caller of that name, who may have no key any more."""
    caller = next((each for each in callers if each.name == name), None)
    return _bin(CALLER, name, CALLER_BINS) if caller is None else caller_party(caller)


def callers_by_party(callers: Iterable[Caller]) -> dict[str, str]:
    """The names of the callers in each party, for people."""
    names: dict[str, str] = {}
    for caller in callers:
        if party := caller_party(caller):
            names[party] = f"{names[party]} or {caller.name}" if party in names else caller.name
    return names


def _caller_bin(caller: Caller) -> str:
    return _bin(CALLER, caller.name, CALLER_BINS)


def _user_party(user: str) -> str:
    return _bin(USER, user if len(user) <= LONGEST_KEY else _short(user), USER_BINS)


@lru_cache(maxsize=1024)
def _bin(kind: str, name: str, bins: int) -> str:
    return f"{kind}{int.from_bytes(_digest(name)) % bins}"


def _short(name: str) -> str:
    return _digest(name).hex()


def _digest(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
