"""Knowledge of a replica about its providers' servers: which refuse a request for a stream's usage."""

from gateway.net.client import Origin

_REMEMBERED_SECONDS = 3600.0  # servers are updated; asking anew costs one request an hour


class Learnt:
    """`now` is monotonic, in seconds."""

    __slots__ = ("_silent",)

    def __init__(self) -> None:
        self._silent: dict[Origin, float] = {}

    def asks_usage(self, origin: Origin, now: float) -> bool:
        """Return whether streams of that origin are asked for their usage."""
        since = self._silent.get(origin)
        return since is None or now - since > _REMEMBERED_SECONDS

    def refuses_usage(self, origin: Origin, now: float) -> None:
        """A stream was refused with that question, and served without."""
        self._silent[origin] = now
