"""Defaults of the command line; a variable that is set to nothing counts as not set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

USUAL_URL: Final = "http://127.0.0.1:8080"


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return the configuration folder: SERINUS_CONFIG, or else `config`."""
    return Path(environ.get("SERINUS_CONFIG") or "config")


def default_url(environ: Mapping[str, str]) -> str:
    """Return the gateway's address: SERINUS_URL, or else the usual one on this machine."""
    return environ.get("SERINUS_URL") or USUAL_URL
