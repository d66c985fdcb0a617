"""Programs that pretend to be a Redis server."""

from pathlib import Path

from gateway.store.server_binary import bundled_binary


def program(folder: Path, name: str, says: str, before: str = ":") -> Path:
    """A program of that name which answers --version so, and otherwise runs `before`, then the bundled server."""
    path = folder / name
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "{says}" && exit\n{before}\nexec {bundled_binary()} "$@"\n'
    )
    path.chmod(0o755)
    return path
