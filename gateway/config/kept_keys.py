"""Digests of the keys in a `gateway.yaml` that stands beside a broken file: a key that is missing there is revoked."""

from collections.abc import Iterator
from pathlib import Path

from gateway.config.nodes import Node
from gateway.config.strict_yaml import read_yaml

_FILE = "gateway.yaml"


def kept_keys(folder: Path) -> frozenset[bytes] | None:
    """Return the digests of all keys in the folder's `gateway.yaml`; None where they cannot be read with certainty."""
    parsed = read_yaml(folder / _FILE, _FILE)
    keys = None if parsed.root is None or parsed.problems else parsed.root.get("keys")
    texts = [] if keys is None else [node.text or "" for key in keys.entries.values() for node in _digests(key)]
    try:
        found = frozenset(map(bytes.fromhex, texts))
    except ValueError:
        return None
    return found if found and b"" not in found else None


def _digests(key: Node) -> Iterator[Node]:
    one, several = key.get("sha256"), key.get("sha256s")
    yield from () if one is None else (one,)
    yield from () if several is None else several.items
