"""Targets that served without a known price, for those who look after the prices."""

from collections.abc import Iterator
from typing import Final

_MOST: Final = 200  # targets of one agent; the latest, because clients may write the names


class UnpricedTargets:
    """The targets that served each agent of a replica without a known price, whatever the configuration.

    Each is kept with what its price was looked up by: where a configuration changes that, the target has yet to serve.
    """

    def __init__(self) -> None:
        self._by_agent: dict[str, dict[str, object]] = {}

    def add(self, agent: str, target: str, looked_up_by: object) -> None:
        """Remember that a call of the agent was served there."""
        targets = self._by_agent.setdefault(agent, {})
        targets.pop(target, None)
        if len(targets) >= _MOST:
            del targets[next(iter(targets))]
        targets[target] = looked_up_by

    def of(self, agent: str) -> Iterator[tuple[str, object]]:
        """Yield the agent's targets, the latest last, with what their prices were looked up by."""
        yield from self._by_agent.get(agent, {}).items()
