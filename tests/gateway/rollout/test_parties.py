"""Whose call it is: a caller's, or that of a user whom an only caller names."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.calls import Call, Caller
from gateway.json_body import Document
from gateway.rollout.parties import is_of, party_of


def a_call(is_only: bool = True, **body: Any) -> Call:
    return Call(
        id="c", caller=Caller("app", "default", is_only=is_only), agent="agent", pin=None, stream=False,
        document=Document.parse(json.dumps(body).encode()), wants_usage=False, headers=[], query="", received_at=0.0,
        format="openai",
    )  # fmt: skip


def party(is_only: bool = True, **body: Any) -> str:
    return party_of(a_call(is_only, **body))


WRAPS: tuple[Callable[[str], dict[str, Any]], ...] = (
    lambda name: {"metadata": {"user_id": name}},
    lambda name: {"user": name},
    lambda name: {"safety_identifier": name},
)


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_user_is_one_party_in_all_of_its_sessions(wrap: Any) -> None:
    """Wherever a client or a gateway before this one puts Claude Code's name, old or new."""
    users = ({"device_id": "d", "account_uuid": "a", "session_id": f"s{number}"} for number in range(9))
    names = [*map(json.dumps, users), "user_d_account_a_session_s1", "a"]
    assert {party(**wrap(name)) for name in names} == {party(user="a")}
    assert party(**wrap(names[0])).startswith("u") and party(**wrap("b")) != party(user="a")


def test_a_session_alone_is_nobody() -> None:
    """It names no user; where several keys may call, the caller is the party."""
    assert party(metadata={"user_id": '{"session_id": "s"}'}) == party() == ""
    assert party(is_only=False, user="kim").startswith("c")


@pytest.mark.parametrize("is_only", [True, False])
@pytest.mark.parametrize("wrap", WRAPS)
def test_whoever_is_excluded_is_known_whichever_keys_there_are(wrap: Any, is_only: bool) -> None:
    """A user by its name, wherever it stands, and a caller with all of its users, whose only key it may have become."""
    user, caller = party(user="kim"), party(is_only=False)
    assert is_of(a_call(is_only, **wrap("kim")), {user}) and not is_of(a_call(is_only, **wrap("lee")), {user})
    assert is_of(a_call(is_only, **wrap("lee")), {caller}) and is_of(a_call(is_only), {caller})
    assert not is_of(a_call(is_only), {user})
