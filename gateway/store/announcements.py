"""Listening for announced changes over pub/sub, through every restart of the server.

An announcement is a hint that saves up to a second; the poll of the epochs is the truth.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from redis.asyncio.client import PubSub

from gateway.store.connect import Client, know_nodes
from gateway.store.faults import FAILURES, heeding_cancellation
from gateway.store.key_prefix import renamed

CHANNEL = "serinus:turns"
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0


def announcement(agent: str, epoch: int) -> str:
    """Return the message that a commit publishes. The agent's name holds no space."""
    return f"{agent} {epoch}"


async def listen(client: Client, quiet_seconds: float) -> AsyncGenerator[str, None]:
    """The agents of the announcements, until cancelled or closed; a lost server is looked for again for ever.

    After `quiet_seconds` of silence a ping asks whether the server is still there.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            async with aclosing(_listen_once(client, quiet_seconds)) as agents:
                async for agent in agents:
                    pause = FIRST_PAUSE_SECONDS
                    yield agent
        except FAILURES:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _listen_once(client: Client, quiet_seconds: float) -> AsyncGenerator[str, None]:
    """The announcements of one connection. Raises one of FAILURES when it is lost, silent or given up."""
    with heeding_cancellation():
        await know_nodes(client)
    async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        with heeding_cancellation():
            await pubsub.subscribe(renamed(client, CHANNEL))
        asked = False
        while True:
            with heeding_cancellation():
                message = await pubsub.get_message(timeout=quiet_seconds)
            if message is None:
                if pubsub.connection is not None and pubsub.connection.should_reconnect():
                    raise ConnectionError("the server was given up: another one may answer in its place")
                asked = await _ask(pubsub, asked)
            else:
                asked = False
                if message["type"] == "message":
                    yield str(message["data"]).partition(" ")[0]


async def _ask(pubsub: PubSub, asked: bool) -> bool:
    """Ping a silent server, once. A network that drops packets leaves a connection that looks well for ever."""
    if asked:
        raise TimeoutError("no answer to a ping")
    with heeding_cancellation():
        await pubsub.ping()
    return True
