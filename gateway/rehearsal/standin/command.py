"""`serinus standin`: the stand-in provider as a process of its own."""

import sys
from pathlib import Path

from .behaviour import BadBehaviour, Behaviours, read_behaviours
from .load import send as send
from .server import WRONG_USAGE, run


def serve(listen: str, file: Path | None, api_key: str | None) -> int:
    """Imitate the models of that file until told to stop; the exit code: 0, or 2 for a wrong file or address."""
    try:
        behaviours = read_behaviours(file.read_bytes()) if file else Behaviours()
    except (OSError, BadBehaviour) as error:
        print(f"{file}: {error}", file=sys.stderr)
        return WRONG_USAGE
    return run(listen, behaviours.models, behaviours.default, api_key=api_key)
