"""Runs one client's scenario at each agent that the command line names, and prints what it found by agent."""

import json
import sys
from collections.abc import Callable
from typing import Any

ROOT, AGENTS = sys.argv[1], sys.argv[2:]


def report(scenario: Callable[[str], dict[str, Any]]) -> None:
    """Print what the scenario finds at each agent; an exception of the client's is what it found."""
    found: dict[str, Any] = {}
    for agent in AGENTS:
        try:
            found[agent] = scenario(agent)
        except Exception as error:  # whatever the client raises is the finding
            found[agent] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))
