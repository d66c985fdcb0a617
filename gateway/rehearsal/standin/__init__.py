"""The stand-in provider: an imitation of OpenAI's, Anthropic's and Google's APIs, to rehearse a rollout with before
money is spent.

**Behaviour** says what a model does: how fast, how long, which **fault** how often. A request is read into an **ask**
by the **shape** of its wire format, joined with what was drawn for it into a **turn**, and answered by a **script** of
**steps** that a connection plays. Faults are played on shapes, so that every format has all of them: `chat`,
`messages`, `responses`, `gemini`, `completions`, and what is in `small`; `formats` is the table.
**Books** count calls and charge tokens; the log keeps the last requests as they were received.
"""

from .behaviour import FAULTS, WORDINGS, BadBehaviour, Behaviours, Fault, ModelBehaviour, Wording, read_behaviours
from .books import Counts, EndedCall
from .received import Received
from .server import Standin, run

__all__ = [
    "FAULTS",
    "WORDINGS",
    "BadBehaviour",
    "Behaviours",
    "Counts",
    "EndedCall",
    "Fault",
    "ModelBehaviour",
    "Received",
    "Standin",
    "Wording",
    "read_behaviours",
    "run",
]
