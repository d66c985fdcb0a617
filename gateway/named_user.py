"""User and session in one name: Claude Code and others send a new name of the same user with each session.

`user_<device>_account_<account>_session_<session>` and JSON with `account_uuid`, `device_id` and `session_id` are both
Claude Code's. A user must be the same one in all of its sessions, or one person would pass for many (decision 35).
"""

import re
from functools import lru_cache
from typing import Any

import orjson

LONGEST_KEY = 512  # characters: what is longer becomes no key of a cache
_USER_MEMBERS = ("account_uuid", "device_id", "user_id")
_SESSION_MEMBER = re.compile(r"(?:session|conversation|thread|chat|request|trace)[_-]?(?:uu)?(?:id)?\Z", re.IGNORECASE)


def user_in(name: str) -> str:
    """Return the user without the session: the account, else the device, else what is left; '' for a session alone."""
    return _parts(name)[0]


def session_in(name: str) -> str:
    """Return the session that a user's name has within, or ''."""
    return _parts(name)[1]


def _parts(name: str) -> tuple[str, str]:
    if "{" not in name and "_session_" not in name:  # as a rule
        return name, ""
    return _split_known(name) if len(name) <= LONGEST_KEY else _split(name)


def _split(name: str) -> tuple[str, str]:
    if name.startswith("{"):
        try:
            members = orjson.loads(name.encode("utf-8", "replace"))
            return _user_of_members(members), _text(members.get("session_id"))
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no JSON, or nested too deep to be written
            pass
    user, _, session = name.partition("_session_")
    device, has_account, account = user.removeprefix("user_").partition("_account_")
    return (account or device, session) if has_account and user.startswith("user_") else (user, session)


_split_known = lru_cache(maxsize=1024)(_split)


def _user_of_members(members: dict[str, Any]) -> str:
    for member in _USER_MEMBERS:
        if user := _text(members.get(member)):
            return user
    rest = {member: value for member, value in members.items() if value and not _SESSION_MEMBER.search(member)}
    return orjson.dumps(rest, option=orjson.OPT_SORT_KEYS).decode() if rest else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
