"""Notices are the audit events themselves, read by a consumer group: a commit leaves its notice in the same stroke.

All replicas are one consumer, because a name for each would stay in the group for ever. Whose turn it is to deliver an
event is said by how long ago it was taken, and taking it again is one command, which only one of them wins.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline
from redis.exceptions import ResponseError

from gateway.store.seam import Notice

GROUP = "notices"  # commit.lua creates it
CONSUMER = "gateway"

Entry = tuple[str, Mapping[str, str]]


def take(pipe: Pipeline | ClusterPipeline, stream: str, idle_ms: int, count: int) -> None:
    """Ask for one stream's notices: those left behind, then those that are new."""
    pipe.xautoclaim(stream, GROUP, CONSUMER, idle_ms, count=count)
    pipe.xreadgroup(GROUP, CONSUMER, {stream: ">"}, count=count)


def taken(agent: str, left: Any, new: Any) -> list[Notice]:
    """The notices in the two replies to `take`. An agent without a record has no group yet, and nothing to say."""
    entries: list[Entry] = []
    for reply, read in ((left, _claimed), (new, _read)):
        if not isinstance(reply, Exception):
            entries += read(reply)
        elif not (isinstance(reply, ResponseError) and "NOGROUP" in str(reply)):
            raise reply
    return [_notice(agent, entry) for entry in entries]


def pending(reply: Any) -> int:
    """Return how many notices a group's reply to XPENDING counts; an agent without a record has no group yet."""
    if not isinstance(reply, Exception):
        return int(reply["pending"])
    if isinstance(reply, ResponseError) and "NOGROUP" in str(reply):
        return 0
    raise reply


def _claimed(reply: Sequence[Any]) -> list[Entry]:
    """Return the claimed entries. Redis before 7 returns deleted ones empty, and these are left out."""
    return [(name, fields) for name, fields in reply[1] if fields]


def _read(reply: Any) -> list[Entry]:
    return [entry for entries in dict(reply).values() for entry in entries]


def _notice(agent: str, entry: Entry) -> Notice:
    name, fields = entry
    event = json.loads(fields["event"])
    return Notice(agent, name, f"{agent}:{event['epoch_after']}", event)
