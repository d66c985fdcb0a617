"""Who calls, by the SHA-256 of a key."""

import hashlib
from contextlib import suppress

import pytest

from gateway.auth import OPEN, Doorkeeper, Key, is_only_caller
from gateway.calls import Caller
from gateway.errors import Unauthenticated

WEB, BATCH = Caller("web", "internal"), Caller("batch", "default", frozenset({"support"}))


def digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


DOOR = Doorkeeper([Key(digest(b"one"), WEB), Key(digest(b"two"), BATCH)], digest(b"admin"))


@pytest.mark.parametrize(
    ("header", "caller"),
    [(b"Bearer one", WEB), (b"bearer two", BATCH), (b"BEARER  one ", WEB), (b" Bearer one", WEB)],
)
def test_known_key(header: bytes, caller: Caller) -> None:
    """A key opens for its caller, `Bearer` in any case."""
    assert DOOR.caller(header) == caller


WRONG = [None, b"", b"Bearer", b"Bearer ", b"one", b"Basic one", b"Bearer One", b"Bearer \xc3\xa9", b"Bearer admin"]


@pytest.mark.parametrize("header", WRONG)
def test_unknown_key(header: bytes | None) -> None:
    """Anything else does not open, and the message says how to send a key without repeating it."""
    with pytest.raises(Unauthenticated, match="Authorization: Bearer <key>") as caught:
        DOOR.caller(header)
    assert "One" not in caught.value.message


def test_a_known_key_opens_no_other() -> None:
    """What was found right is right again, and nothing that merely begins or ends like it; what is odd is not kept."""
    door = Doorkeeper([Key(digest(b"one"), WEB)], None)
    for header in (b"Bearer one", b"Bearer one", b"Bearer" + b" " * 300 + b"one"):
        assert door.caller(header) is WEB
    assert list(door._known) == [b"Bearer one"]
    for wrong in (b"Bearer on", b"Bearer one1", b"Bearer\0one", b""):
        with pytest.raises(Unauthenticated):
            door.caller(wrong)


def test_open_door() -> None:
    """Without keys in the configuration everyone is let in, as nobody in particular."""
    door = Doorkeeper([], None)
    assert door.open and door.caller(None) is OPEN and not DOOR.open


@pytest.mark.parametrize(
    ("header", "admin"), [(b"Bearer admin", True), (b"Bearer one", False), (b"Bearer", False), (None, False)]
)
def test_admin(header: bytes | None, admin: bool) -> None:
    """The admin token is a key of its own; without one nobody is admin."""
    assert DOOR.is_admin(header) is admin and DOOR.has_admin
    nobody = Doorkeeper([], None)
    assert not nobody.is_admin(header) and not nobody.has_admin


def test_agents_of_a_key() -> None:
    """A key may be for some agents only."""
    assert WEB.may_call("anything") and BATCH.may_call("support") and not BATCH.may_call("other")


@pytest.mark.parametrize(
    ("agents", "only"),
    [
        ({"a": None}, {"a"}),
        ({"a": None, "b": ["support"]}, set()),
        ({"a": ["support"], "b": ["sales"]}, {"a", "b"}),
        ({"a": ["support", "sales"], "b": ["sales"], "c": ["desk"]}, {"c"}),
    ],
)
def test_which_keys_are_the_only_ones_of_their_agents(agents: dict[str, list[str] | None], only: set[str]) -> None:
    """No other may call any agent that these may call."""
    allowed = {name: None if of is None else frozenset(of) for name, of in agents.items()}
    assert {name for name in agents if is_only_caller(name, allowed)} == only


def test_without_keys_there_is_one_caller() -> None:
    """Everybody is the same one."""
    assert Doorkeeper((), None).caller(None).is_only


def test_presented_keys_are_known_by_their_caller() -> None:
    """What a caller has sent is remembered once, so that errors can be cleaned of it; a wrong key is not."""
    door = Doorkeeper([Key(digest(b"team-blue-key"), WEB)], None)
    for header in (b"Bearer team-blue-key", b"bearer  team-blue-key", b"Bearer wrong"):
        with suppress(Unauthenticated):
            door.caller(header)
    assert door.keys_of(WEB.name) == ("team-blue-key",) and door.keys_of("other") == ()


def test_a_key_that_has_expired_is_refused_though_it_is_known() -> None:
    """From its time on, also where the very header was found right before; other callers' keys go on."""
    now = [99.0]
    keys = [Key(digest(b"one"), Caller("one", "default"), 100.0), Key(digest(b"two"), Caller("two", "default"))]
    door = Doorkeeper(keys, None, unix=lambda: now[0])
    assert door.caller(b"Bearer one").name == "one"
    now[0] = 100.0
    with pytest.raises(Unauthenticated, match="expired") as refused:
        door.caller(b"Bearer one")
    assert refused.value.code == "expired_api_key"
    assert door.caller(b"Bearer two").name == "two"


def test_several_keys_of_one_caller_are_taken() -> None:
    """While a key is rotated, the new one and the old one stand for the same caller, who is counted once."""
    caller = Caller("app", "default")
    door = Doorkeeper([Key(digest(b"new"), caller), Key(digest(b"old"), caller)], None)
    assert door.caller(b"Bearer new") == door.caller(b"Bearer old") == caller
    assert door.callers == [caller]


def test_a_revoked_key_is_refused_though_it_was_known() -> None:
    """No door opens by it: where every key is revoked, nobody may call."""
    keys = [Key(digest(name.encode()), Caller(name, "")) for name in ("one", "two")]
    door = Doorkeeper(keys, None)
    assert [door.caller(b"Bearer " + name).name for name in (b"one", b"two")] == ["one", "two"]
    assert door.revoke_all_but({keys[0].sha256}) == ["two"] and door.caller(b"Bearer one").name == "one"
    with pytest.raises(Unauthenticated):
        door.caller(b"Bearer two")
    assert (door.revoke_all_but(()), door.revoke_all_but(()), door.open) == (["one"], [], False)
    with pytest.raises(Unauthenticated):
        door.caller(b"Bearer one")
