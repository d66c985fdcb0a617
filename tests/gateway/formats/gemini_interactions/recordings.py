"""Requests and answers as Google documents them."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "recordings" / "interactions"


def recorded(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def recorded_json(name: str) -> Any:
    return json.loads(recorded(name))


def event(kind: str, **members: Any) -> bytes:
    """One event of a stream, as its data."""
    return json.dumps({"event_type": kind, **members}).encode()
