"""One user under the names of its many sessions."""

import json
import tracemalloc

import pytest

from gateway.named_user import session_in, user_in


def claude(session: str, account: str = "", device: str = "0f", **more: str) -> str:
    """Claude Code's newer name."""
    return json.dumps({"device_id": device, "account_uuid": account, "session_id": session, **more})


def claude_before(session: str, account: str = "", device: str = "0f") -> str:
    """Claude Code's older name."""
    return f"user_{device}_account_{account}_session_{session}"


@pytest.mark.parametrize(("account", "user"), [("1a", "1a"), ("", "0f")])
def test_both_forms_name_the_same_user_in_every_session(account: str, user: str) -> None:
    """The account, or else the device."""
    names = [form(session, account) for form in (claude, claude_before) for session in ("s-1", "s-2")]
    assert {user_in(name) for name in names} == {user}
    assert [session_in(name) for name in names] == ["s-1", "s-2"] * 2
    assert user_in(claude("s-1", account, x_team="a")) == user


@pytest.mark.parametrize(
    ("name", "user", "session"),
    [
        ("kim", "kim", ""), ("kim_session_3", "kim", "3"), ("user_7_session_3", "user_7", "3"), ("", "", ""),
        ("a_session_account_b", "a", "account_b"), ("{broken", "{broken", ""), ("{broken_session_3", "{broken", "3"),
        ("{}", "", ""), ('{"session_id": 7}', "", ""), ('{"session_id": "3"}', "", "3"),
        ('{"user_id": "kim", "sessionId": "3"}', "kim", ""), ("\ud83d{", "\ud83d{", ""),
        ('{"b": 1, "a": 2, "conversation-uuid": "3", "request_id": "4"}', '{"a":2,"b":1}', ""),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", '{"a": ' + "[" * 300 + "]" * 300 + "}", ""),
    ],
)  # fmt: skip
def test_other_names(name: str, user: str, session: str) -> None:
    """What is left without a session is the user, in one order; what cannot be read stays as it is."""
    assert (user_in(name), session_in(name)) == (user, session)


def test_a_long_name_is_kept_by_nobody() -> None:
    """Only short names become keys of a cache."""
    long = claude("s", "x" * 100_000)
    user_in(claude("s"))
    tracemalloc.start()
    for number in range(50):
        user_in(f'{long[:-1]} , "n": {number}}}')
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200_000
