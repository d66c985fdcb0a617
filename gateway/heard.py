"""Texts of a call that are to be recorded, from its first byte until they are: bounded, and never waited for.

The bytes that a replica holds so are bounded, too: beyond them texts of further calls are not recorded.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from routing.agents import ContentRules

MOST_HELD = 64 << 20  # bytes, of all calls of a replica together
MOST_ANSWER = 4 << 20  # bytes of one answer as the client gets it: of a stream some 16,000 events


class HeldBytes:
    """The bytes that a replica holds of texts. `refused` counts calls for which there was no room."""

    __slots__ = ("held", "most", "refused")

    def __init__(self, most: int = MOST_HELD) -> None:
        self.most = most
        self.held = 0
        self.refused = 0

    def take(self, size: int) -> bool:
        """Hold so many bytes more; return whether there is room for them."""
        if self.held + size > self.most:
            return False
        self.held += size
        return True


class HeardRequest(NamedTuple):
    """The part of a request that is recorded: members of its body, cut to what is kept.

    `left_out` counts messages before the first of them that are not; `is_cut` says that anything is missing. `size` is
    about what it takes in memory, in bytes.
    """

    members: Mapping[str, Any]
    left_out: int
    is_cut: bool
    size: int


class HeardCall:
    """Texts of one call as they were heard. Their bytes are given back when nobody holds them any more.

    `request` is None until the call has ended, and where there was no room for it. `answer` are the bytes that the
    client got; `is_cut` says that there were more.
    """

    __slots__ = ("_held", "_taken", "answer", "is_cut", "request", "rules")

    def __init__(self, rules: ContentRules, held: HeldBytes) -> None:
        self.rules = rules
        self.request: HeardRequest | None = None
        self.answer = bytearray()
        self.is_cut = False
        self._held = held
        self._taken = 0

    def __del__(self) -> None:
        self._held.held -= self._taken

    @property
    def may_wait(self) -> bool:
        """Return whether there is so much room that the texts may wait for a second reader."""
        return 2 * self._held.held <= self._held.most

    def hear(self, piece: bytes) -> None:
        """Hear a piece of the answer."""
        if self.is_cut or not piece:
            return
        if len(self.answer) + len(piece) > MOST_ANSWER or not self._take(len(piece)):
            self.is_cut = True
            return
        self.answer += piece

    def ask(self, request: HeardRequest) -> None:
        """Hold the request, if there is room."""
        if self._take(request.size):
            self.request = request
        else:
            self._held.refused += 1

    def _take(self, size: int) -> bool:
        if not self._held.take(size):
            return False
        self._taken += size
        return True
