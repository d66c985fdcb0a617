"""Conversations that went to people, and what these replied, as the store keeps them.

The stream of an agent's escalations holds the conversations; beside it, by the digest of a call's id, lie the place in
that stream, the reply, and the time when a turn first saw it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline

from gateway.store.seam import Handed, Reply
from gateway.store.sums import digest

KEPT_SECONDS = 30 * 24 * 3600  # for so long a conversation can be found by its call, and a reply be seen beside it
FOLLOWED_SECONDS = 7 * 24 * 3600  # for so long a reply goes into later turns
MAX_REPLIES = 10_000  # an agent's, in the stream that replicas follow

Keys = tuple[str, str, str]


def keys_of(prefix: str, call_id: str) -> Keys:
    """The keys of a call: its place in the stream, its reply, when that was delivered. `prefix` is the agent's."""
    name = digest(call_id).hex()
    return f"{prefix}:escalation:{name}", f"{prefix}:reply:{name}", f"{prefix}:delivered:{name}"


def ask(pipe: Pipeline | ClusterPipeline, keys: Keys) -> None:
    """Ask for what there is beside one conversation."""
    pipe.get(keys[1])
    pipe.get(keys[2])


def handed(fields: Mapping[str, str], reply: str | None, delivered_at: str | None) -> Handed:
    """A conversation, and what `ask` has found."""
    return Handed(fields, decode_reply(reply) if reply else None, float(delivered_at) if delivered_at else None)


def encode_reply(reply: Reply) -> str:
    """One line of JSON in ASCII."""
    members = ("call_id", "conversation", "message", "actor", "at")
    return json.dumps({name: getattr(reply, name) for name in members})


def decode_reply(text: str) -> Reply:
    """What `encode_reply` wrote."""
    return Reply(**json.loads(text))


def first_id(now: float) -> str:
    """The id behind which a replica that knows nothing begins to follow; `now` in Unix seconds."""
    return f"{max(int((now - FOLLOWED_SECONDS) * 1000), 0)}-0"


def followed(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, Reply]]:
    """Entries of a stream of replies, each with its id."""
    return [(name, decode_reply(fields["reply"])) for name, fields in entries]
