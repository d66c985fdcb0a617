"""Contents of stores that releases of the gateway wrote, brought into a server again.

Each recording has one row for a key: name, type, milliseconds to live (-1: for ever) and value. Bytes are Latin-1 text.
All of them hold the same: agent `shop` in a trial at 20 % (epoch 2, two failures), `bank` rolled back by hand, and
`desk`, which handed one conversation over to people.
"""

import gzip
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from gateway.rehearsal.standin import Standin

_FOLDER = Path(__file__).parents[1] / "recordings" / "store"
RELEASES = sorted(path.name.partition(".")[0] for path in _FOLDER.iterdir())
LATEST = RELEASES[-1]
AGENTS = ("shop", "bank", "desk")
_MEMBERS = 20  # no other array than a call's record has so many
_BY_NAME = ("rolled_back", "banked", "frozen")  # members of a record whose keys are names, so that a new one is another


@dataclass(slots=True)
class Row:
    """One key of a recording."""

    key: str
    kind: str
    lives_ms: int
    value: Any


def recorded(release: str) -> list[Row]:
    """Return what that release had in its store."""
    return [Row(*row) for row in json.loads(gzip.decompress((_FOLDER / f"{release}.json.gz").read_bytes()))]


def from_a_newer_release(rows: Sequence[Row]) -> list[Row]:
    """Return the same with a field that nobody knows in every hash and entry, and a member in every JSON text."""
    return [Row(row.key, row.kind, row.lives_ms, _extended(row)) for row in rows]


async def restore(redis_url: str, rows: Sequence[Row]) -> None:
    """Bring these keys into an empty server."""
    client: Any = Redis.from_url(redis_url)
    for row in rows:
        await _WRITERS[row.kind](client, _bytes(row.key), row.value)
        if row.lives_ms > 0:
            await client.pexpire(_bytes(row.key), row.lives_ms)
    await client.aclose()


def configuration(standin: Standin) -> dict[str, object]:
    """The configuration that the recordings were made with."""
    trial = {"stable": "v1", "canary": "v2", "weight": "50%"}
    routing = {"shop": trial, "bank": trial, "desk": {"stable": "v2", "fallback": ["human"]}}
    versions = {
        f"agents/{agent}/{version}.yaml": {"model": f"standin/{model}", "system_prompt": f"You are {version}."}
        for agent in AGENTS
        for version, model in (("v1", "good"), ("v2", "bad"))
    }
    gateway = {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}}, "escalation": {"desk": True}}
    return {"gateway.yaml": gateway, "routing.yaml": {"agents": routing}, **versions}


def _extended(row: Row) -> Any:
    if row.kind == "hash":
        held = {name: text if name in _BY_NAME else _with_more(text) for name, text in row.value.items()}
        return held if _has_names_of_others(row.key) else {**held, **_unknown_fields(row.key)}
    if row.kind == "stream":
        entries = [[place, {**fields, "novel": "1"}] for place, fields in row.value["entries"]]
        return {**row.value, "entries": entries}
    return _with_more(row.value) if row.kind == "string" else row.value


def _unknown_fields(key: str) -> dict[str, str]:
    """Fields as a newer release might add them to that hash, beside a plain one."""
    if ":evidence:" in key:
        return {
            "novel": "x",
            "canary|novel|w0": "0 a=1 ",
            "canary|novel|0": "5",
            "third|requests|0": "1",
            "novel:1": "x",
        }
    return {"v1|novel": "3", "v1|novel:4": "2"} if ":tally:" in key else {"novel": "x"}


def _has_names_of_others(key: str) -> bool:
    """Return whether the hash has a field for each call, conversation or person, so that a new one would be another."""
    parts = ("trace:", "costs:", "history:", "parties", "review:", "handed", "reasons:", "judge:", "turns:", "limit:")
    return any(part in key for part in parts)


def _with_more(text: str) -> str:
    """The JSON text with one member more, which stands last in a call's record; any other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict) and value:
        return json.dumps({**value, "novel": [1]}, separators=(",", ":"))
    if isinstance(value, list) and len(value) > _MEMBERS:
        return json.dumps([*value, "novel"], separators=(",", ":"))
    return text


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


async def _write_string(client: Any, key: bytes, value: str) -> None:
    await client.set(key, _bytes(value))


async def _write_hash(client: Any, key: bytes, value: dict[str, str]) -> None:
    await client.hset(key, mapping={_bytes(name): _bytes(text) for name, text in value.items()})


async def _write_set(client: Any, key: bytes, value: list[str]) -> None:
    await client.sadd(key, *map(_bytes, value))


async def _write_stream(client: Any, key: bytes, value: dict[str, Any]) -> None:
    for place, fields in value["entries"]:
        await client.xadd(key, {_bytes(name): _bytes(text) for name, text in fields.items()}, id=place)
    for group, last in value["groups"]:
        await client.xgroup_create(key, group, last)


_WRITERS: dict[str, Callable[[Any, bytes, Any], Awaitable[None]]] = {
    "string": _write_string,
    "hash": _write_hash,
    "set": _write_set,
    "stream": _write_stream,
}
