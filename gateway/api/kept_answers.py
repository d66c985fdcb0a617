"""An answer by its id, at the provider that keeps it: read, streamed once more, deleted, or cancelled.

Each provider that may have it is asked, one after the other (decision 14); whoever made it through this replica is
known, and no other key that is for some agents reaches it (decision 29).
"""

import re

from gateway.api.endpoint import Services
from gateway.api.passthrough import Passthrough
from gateway.calls import Caller
from gateway.errors import LONGEST_SHOWN, NotFound
from gateway.formats.marks import is_ours
from gateway.formats.protocol import ClientSide
from gateway.passthrough.providers import api_of_kept

_ID = re.compile(r"[\w=+-][\w=+.:~-]{0,1999}", re.ASCII)


class KeptAnswers(Passthrough):
    """Answers of one client format whose providers keep them, at one path of its door."""

    methods: tuple[str, ...] = ("DELETE", "GET")
    action = ""  # what stands behind the id

    def __init__(self, services: Services, client: ClientSide, door: str) -> None:
        super().__init__(services, client, api_of_kept(client, door.removesuffix(client.door.kept_at)))
        self._door = door

    def admit(self, caller: Caller, method: str, path: str) -> str:
        id_ = path.removeprefix(f"{self._door}/").removesuffix(self.action)
        if not _ID.fullmatch(id_):
            raise NotFound(f"there is nothing at {path[:LONGEST_SHOWN]!r}", code="unknown_url")
        if is_ours(id_):
            raise NotFound(f"{id_!r} is not found: answers written here are not stored", param="id")
        return f"{self.client.door.kept_at}/{id_}{self.action}"


class CancelledAnswers(KeptAnswers):
    """Cancellation of such answers while they run in the background."""

    methods = ("POST",)
    action = "/cancel"
