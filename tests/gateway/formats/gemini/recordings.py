"""What Google documents of the wire format, as files."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parents[3] / "recordings" / "gemini"


def raw(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def recorded(name: str) -> Any:
    return json.loads(raw(name))
