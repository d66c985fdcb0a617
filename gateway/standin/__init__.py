"""The stand-in provider: an imitation of an OpenAI-compatible API, to rehearse a rollout with before money is spent.

**Behaviour** says what a model does: how fast, how long, which **fault** how often. A request is read into an **ask**,
joined with what was drawn for it into a **turn**, and answered by a **script** of **steps** that a connection plays.
**Books** count calls and charge tokens; the log keeps the last requests as they were received.
"""

from .behaviour import FAULTS, BadBehaviour, Behaviour, Behaviours, Fault, read_behaviours
from .books import Counts
from .received import Received
from .server import Standin, run

__all__ = [
    "FAULTS",
    "BadBehaviour",
    "Behaviour",
    "Behaviours",
    "Counts",
    "Fault",
    "Received",
    "Standin",
    "read_behaviours",
    "run",
]
