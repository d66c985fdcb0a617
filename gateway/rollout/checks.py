"""Choice of the calls that absolute limits check: of each unit the first call in ten seconds.

So a conversation that makes calls without pause, or fails in all of them, weighs no more than one that makes few.
"""

CHECK_SECONDS = 10.0
MOST_CHECKED = 2_000  # units of one agent in that time; more of them are not checked


class Checks:
    """The units that were checked lately, by agent."""

    def __init__(self, most: int = MOST_CHECKED) -> None:
        self._most = most
        self._lately: dict[str, tuple[float, set[str]]] = {}

    def is_due(self, agent: str, unit: str, now: float) -> bool:
        """Return whether a call of the unit is to be checked. `now` in seconds of a clock that never goes back."""
        until, units = self._lately.get(agent, (0.0, None))
        if units is None or now >= until:
            units = set()
            self._lately[agent] = now + CHECK_SECONDS, units
        return unit not in units and len(units) < self._most

    def note(self, agent: str, unit: str) -> None:
        """Notice that a call of a unit that was due is checked."""
        self._lately[agent][1].add(unit)
