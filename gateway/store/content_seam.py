"""The seam of the store for the texts of calls: what was recorded, by the keys of calls, for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class KeptContent(NamedTuple):
    """The recorded content of a call, by the call's key; `thread` is the conversation that it belongs to."""

    key: str
    thread: str
    text: str


@dataclass(frozen=True, slots=True)
class ContentBounds:
    """Limits on the contents of one agent's calls: bytes of all of them, and seconds that each is kept."""

    bytes: int
    seconds: int


class ContentStore(Protocol):
    """The store's part for the contents of calls."""

    async def keep_contents(self, agent: str, contents: Sequence[KeptContent], bounds: ContentBounds) -> None:
        """Keep the contents, each once, and let go of the oldest beyond the bounds."""

    async def find_contents(self, agent: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the contents of these calls by their keys, as far as they are kept."""

    async def forget_contents(self, agent: str, keys: Sequence[str], threads: Sequence[str]) -> int:
        """Delete the contents of these calls, and of all calls of these conversations; return how many there were."""
