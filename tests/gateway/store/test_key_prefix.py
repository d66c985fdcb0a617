"""Two installations on one server or one Cluster, apart by the prefix of their keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.store import RedisStore, connect
from gateway.store.key_prefix import rename_keys
from gateway.store.permissions import acl_line
from tests.support.decisions import beginning
from tests.support.redis_servers import ask_server, cluster_of, make_folders, ports_of, sentinel, tcp_server
from tests.support.store_operations import everything


@pytest_asyncio.fixture(params=["redis", "redis+sentinel", "redis+cluster"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, tuple[int, ...]]]:
    """A URL, in which `{}` stands for the login, and the ports of the servers that hold keys."""
    one, two = make_folders(tmp_path / "servers", 2)
    async with AsyncExitStack() as stack:
        if request.param == "redis+cluster":
            url, _ = await stack.enter_async_context(cluster_of(tmp_path / "cluster"))
            yield url.replace("://", "://{}@"), await ports_of(url)
            return
        port = await stack.enter_async_context(tcp_server(one))
        if request.param == "redis":
            yield f"redis://{{}}@127.0.0.1:{port}/0", (port,)
            return
        asked = await stack.enter_async_context(sentinel(two, port))
        yield f"redis+sentinel://{{}}@127.0.0.1:{asked}/house/0", (port,)


async def test_every_operation_keeps_to_its_prefix(place: tuple[str, tuple[int, ...]]) -> None:
    """As a user who may touch no other key and no other channel: the server has refused nothing."""
    url, ports = place
    for port in ports:
        await ask_server(port, *acl_line("staging").replace("PASSWORD", "pw").split())
    store = RedisStore(connect(url.format("serinus:pw") + "?prefix=staging"), "replica")
    heard = store.turns()
    first = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0.5)
    await everything(store)
    assert await asyncio.wait_for(first, 10) == "a"
    await heard.aclose()
    await store.aclose()
    for port in ports:
        assert await ask_server(port, "ACL", "LOG") == []
        assert {str(key).partition(":")[0] for key in await ask_server(port, "KEYS", "*")} <= {"staging"}


async def test_two_installations_do_not_see_each_other(place: tuple[str, tuple[int, ...]]) -> None:
    """The same agent has a record in each, and announcements stay at home."""
    url, _ = place
    stores = [RedisStore(connect(url.replace("{}@", "") + end), "replica") for end in ("", "?prefix=staging")]
    heard = stores[0].turns()
    first = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0.5)
    assert (await stores[1].commit("a", beginning(), "")).won
    assert [await store.epochs(["a"]) for store in stores] == [{"a": 0}, {"a": 1}]
    assert not first.done()
    assert (await stores[0].commit("a", beginning(), "")).won
    assert await asyncio.wait_for(first, 10) == "a"
    await heard.aclose()
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize(
    ("command", "renamed"),
    [
        (("GET", "serinus:a"), ["GET", "new:a"]),
        (("SET", "serinus:a", "serinus:b"), ["SET", "new:a", "serinus:b"]),
        (("DEL", "serinus:a", "serinus:b"), ["DEL", "new:a", "new:b"]),
        (("EVALSHA", "sha", 1, "serinus:a", "serinus:b"), ["EVALSHA", "sha", 1, "new:a", "serinus:b"]),
        (("XREAD", "STREAMS", "serinus:a", "serinus:b"), ["XREAD", "STREAMS", "new:a", "serinus:b"]),
        (("INFO",), ["INFO"]),
        (("GET", b"serinus:a"), ["GET", b"serinus:a"]),
    ],
)
def test_keys_alone_are_renamed(command: tuple[object, ...], renamed: list[object]) -> None:
    """A text that begins like a key stays as it is, and what has the prefix already keeps it."""
    assert rename_keys(command, "new") == renamed
    assert rename_keys(renamed, "new") == renamed
