"""A user who has what `serinus check --redis-acl` prints can do all that the store needs, and nothing beyond."""

import asyncio
import re
from pathlib import Path

import pytest
from redis.exceptions import NoPermissionError

from gateway.store import RedisStore, Store, connect
from gateway.store.permissions import OF_CLUSTERS, OF_CONNECTIONS, SENT, acl_line, allowed_commands
from tests.architecture import ROOT
from tests.support.processes import command
from tests.support.redis_servers import ask_server, cluster_of, ports_of, tcp_server
from tests.support.store_operations import ELSEWHERE, OPERATIONS, everything

OF_THE_CLIENT = {"pipeline", "pubsub", "execute", "aclose", "initialize"}
WORDS_OF_SCRIPTS = {"COUNT", "CREATE", "MAXLEN", "BUSYGROUP"}


async def give(port: int) -> None:
    """Make the user, by the words that are printed."""
    words = acl_line().replace("PASSWORD", "pw").split()
    assert await ask_server(port, *words)


def test_every_operation_is_tried() -> None:
    """A new one must be added here, of whichever part of the seam."""
    seams = [seam for seam in Store.__mro__ if seam.__module__.startswith("gateway.")]
    names = {name for seam in seams for name in vars(seam) if not name.startswith("_")}
    assert names == {*OPERATIONS, *ELSEWHERE}


def test_every_command_that_is_sent_is_allowed() -> None:
    """And nothing is allowed that no line of the store sends and no script calls."""
    lines = "\n".join(path.read_text() for path in (ROOT / "gateway" / "store").glob("*.py"))
    called = set(re.findall(r"\b(?:pipe|_client|client|pubsub)\.([a-z]+)\(", lines))
    commands = {"del" if name == "delete" else name for name in called} - OF_THE_CLIENT
    assert commands == set(SENT) | {"subscribe", "ping"}
    assert len(allowed_commands()) == len(set(allowed_commands())) and not set(OF_CLUSTERS) & {*SENT, *OF_CONNECTIONS}


def test_every_command_of_a_script_is_allowed() -> None:
    """Also those that no operation of these tests comes to, and however a script writes its call."""
    scripts = "\n".join(path.read_text() for path in (ROOT / "gateway" / "store").glob("*.lua"))
    for name in re.findall(r"'([A-Z]{3,})'[,)]", scripts):
        assert name in {*WORDS_OF_SCRIPTS} or any(each.split("|")[0] == name.lower() for each in allowed_commands()), (
            name
        )


async def refusals(port: int) -> list[str]:
    """What the server's own log says that it refused."""
    return [str(each) for each in await ask_server(port, "ACL", "LOG")]


async def test_the_printed_user_can_do_everything(tmp_path: Path) -> None:
    """On one server, in another database than the first; the announcements are heard, too."""
    async with tcp_server(tmp_path) as port:
        await give(port)
        store = RedisStore(connect(f"redis://serinus:pw@127.0.0.1:{port}/1"), "replica")
        heard = store.turns()
        first = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0.5)
        await everything(store)
        assert await asyncio.wait_for(first, 10) == "a"
        await heard.aclose()
        await store.aclose()
        assert await refusals(port) == []


async def test_the_printed_user_can_do_everything_in_a_cluster(tmp_path: Path) -> None:
    """Where its client asks for the slots as well."""
    async with cluster_of(tmp_path) as (url, _):
        await give_all(url)
        store = RedisStore(connect(url.replace("://", "://serinus:pw@")), "replica")
        await everything(store)
        await store.aclose()
        for port in await ports_of(url):
            assert await refusals(port) == []


async def give_all(url: str) -> None:
    """On the node that the URL does not name, too."""
    for port in await ports_of(url):
        await give(port)


async def test_the_printed_user_can_do_nothing_else(tmp_path: Path) -> None:
    """Neither other keys, nor what rules a server."""
    async with tcp_server(tmp_path) as port:
        await give(port)
        client = connect(f"redis://serinus:pw@127.0.0.1:{port}/0")
        for words in (("GET", "other"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*words)
        await client.aclose()


async def test_check_prints_it() -> None:
    """Without a configuration, for that may come later; for keys with another prefix, too."""
    done = await command("check", "--redis-acl", SERINUS_CONFIG="/nowhere")
    assert (done.code, done.out.strip()) == (0, acl_line())
    done = await command("check", "--redis-acl", "staging", SERINUS_CONFIG="/nowhere")
    assert (done.code, done.out.strip()) == (
        0,
        acl_line("staging"),
    ) and "~staging:* resetchannels &staging:*" in done.out
