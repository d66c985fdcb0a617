"""The reachability of the shared state, agent by agent: in a cluster a dead node affects only its own agents."""

from collections.abc import Iterable

from gateway.errors import StoreAway
from gateway.logs import Log

EVERY_AGENT = ""  # stands for all agents where one question is about them all; no agent has this name


class Reach:
    """The agents whose records this replica cannot reach. Logged when the first is lost, and when the last is back.

    `why` is what was said of the first loss of these, None while all is well.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lost: set[str] = set()
        self._why: str | None = None

    @property
    def ok(self) -> bool:
        return not self._lost

    @property
    def why(self) -> str | None:
        return self._why if self._lost else None

    def is_lost(self, agent: str) -> bool:
        return agent in self._lost

    def lost(self, agent: str, error: StoreAway) -> None:
        """The agent's record could not be reached."""
        if not self._lost:
            self._why = error.message
            self._log.error("store_away", agent=agent, error=error.message)
        self._lost.add(agent)

    def keep(self, agents: Iterable[str]) -> None:
        """Keep only these agents: no other is asked for again."""
        self._lost &= {*agents, EVERY_AGENT}

    def found(self, agent: str) -> bool:
        """The agent's record was reached. Whether with it everything is back."""
        if agent not in self._lost:
            return False
        self._lost.discard(agent)
        if self._lost:
            return False
        self._log.warning("store_back")
        return True
