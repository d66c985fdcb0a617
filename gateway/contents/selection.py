"""Selection of the part of a request that is recorded: its system messages and its latest ones, copied within a bound.

A request may hold megabytes, or a million messages. No more of it is looked at than is kept.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.formats.registry import CLIENTS
from gateway.heard import HeardCall, HeardRequest
from gateway.json_body import Document

CUT: Final = "\ufdd0"  # behind a text that was cut, and before how much is missing: no character of anybody's
MARGIN: Final = 512  # characters kept beyond the cut, for a secret that it splits: they go once it was looked for
_MOST_OVERDRAWN = 4 << 10  # bytes of short texts, without which nobody knows what a message was
_MOST_VALUES = 8_192  # of all messages together
_DEEPEST = 48
_PER_VALUE = 8  # bytes in JSON, at least
_PER_CUT = 16  # values that a text which is cut counts as: it keeps its margin
_SYSTEM_SHARE = 4
_REQUEST_SHARE = 3, 4
_SYSTEM_ROLES = ("system", "developer")
_SHORT = 64  # characters: such a text tells what something is, and stands whatever is cut
_ENCODED = re.compile(r"(data:)[\w/+.-]{1,100};base64,[A-Za-z0-9+/=_-]*+|[A-Za-z0-9+/=_-]{512,}+")
_LEAST_LOOKED_AT = 1_024  # characters of a text that may be encoded
_HEAD = 48  # characters of what is encoded


def hear_request(heard: HeardCall, format_: str, document: Document) -> None:
    """Hold what is recorded of a request."""
    heard.ask(selected(format_, document.values, heard.rules.call_bytes))


def selected(format_: str, values: Mapping[str, Any], most: int) -> HeardRequest:
    """Return what is recorded of a request of that format, of about three quarters of so many bytes."""
    layout = CLIENTS[format_].facts.conversation
    room = most * _REQUEST_SHARE[0] // _REQUEST_SHARE[1]
    copy = _Copy(room // _SYSTEM_SHARE)
    members = {name: copy.value(values[name]) for name in layout.system if name in values}
    asked, left_out = values.get(layout.member), 0
    if isinstance(asked, list):
        first = _leading_system(asked)
        leading = [copy.value(item) for item in asked[:first]]
        copy.room += room - room // _SYSTEM_SHARE
        latest = _latest(copy, asked, first)
        left_out = len(asked) - len(leading) - len(latest)
        members[layout.member] = leading + latest
    elif asked is not None:
        copy.room += room - room // _SYSTEM_SHARE
        members[layout.member] = copy.value(asked)
    return HeardRequest(members, left_out, copy.is_cut or left_out > 0, 4 * (room - copy.room) + 1_024)


def _leading_system(asked: list[Any]) -> int:
    """Count the system messages before the others: at most four."""
    first = 0
    while (
        first < min(4, len(asked) - 1) and isinstance(asked[first], dict) and asked[first].get("role") in _SYSTEM_ROLES
    ):
        first += 1
    return first


def _latest(copy: "_Copy", asked: list[Any], first: int) -> list[Any]:
    """Return the latest messages: as many as there is room for, and the last one in any case."""
    latest = list[Any]()
    for index in range(len(asked) - 1, first - 1, -1):
        if latest and copy.is_full:
            break
        latest.append(copy.value(asked[index]))
    return latest[::-1]


class _Copy:
    """Copies JSON within a bound. `room` is what is left of it, in bytes."""

    __slots__ = ("_values", "is_cut", "room")

    def __init__(self, room: int) -> None:
        self.room = room
        self.is_cut = False
        self._values = _MOST_VALUES

    @property
    def is_full(self) -> bool:
        """Return whether nothing more of any length is kept."""
        return self.room <= 0 or self._values <= 0

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a copy; texts that are too long are cut, and so are lists."""
        self._values -= 1
        self.room -= _PER_VALUE
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._members(value, depth)
        if isinstance(value, list):
            return self._items(value, depth)
        return value

    def _members(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        copied = dict[str, Any]()
        for name, member in value.items():
            if self._ends(depth):
                break
            self.room -= len(name)
            copied[name[:_SHORT]] = self.value(member, depth + 1)
        return copied

    def _items(self, value: list[Any], depth: int) -> list[Any]:
        copied = list[Any]()
        for item in value:
            if self._ends(depth):
                break
            copied.append(self.value(item, depth + 1))
        return copied

    def _ends(self, depth: int) -> bool:
        """Return whether no further value is copied."""
        if self._values > 0 and depth <= _DEEPEST and self.room > -_MOST_OVERDRAWN:
            return False
        self.is_cut = True
        return True

    def _text(self, text: str) -> str:
        length = len(text)
        if length <= _SHORT:
            self.room -= length
            return text.replace(CUT, "")
        # What would be kept must be encoded throughout: a person may write words behind what looks like it.
        if encoded := _ENCODED.fullmatch(text, 0, max(self.room, _LEAST_LOOKED_AT)):
            self.room -= _HEAD
            self.is_cut |= not encoded[1]
            return f"{text[:_HEAD].replace(CUT, '')}… [{length - _HEAD:,} characters cut]"
        kept = head_of(text, max(self.room, 0))
        self.room -= len(kept.encode("utf-8", "replace"))
        if len(kept) == length:
            return kept.replace(CUT, "")
        self.is_cut = True
        self._values -= _PER_CUT
        return with_margin(text, len(kept))


def head_of(text: str, room: int) -> str:
    """Return the beginning of a text that takes at most so many bytes."""
    head = text[:room]
    return head if head.isascii() else head.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")


def with_margin(text: str, kept: int) -> str:
    """Return a text that is to be cut behind so many characters, once secrets were looked for beyond the cut."""
    return f"{text[: kept + MARGIN].replace(CUT, '')}{CUT}{len(text) - kept} "
