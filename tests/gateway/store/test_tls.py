"""TLS to one server, to sentinels and their primary, and to every node of a cluster."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.errors import StoreAway
from gateway.store import RedisStore, connect
from tests.support.certificates import Authority
from tests.support.decisions import beginning
from tests.support.redis_servers import cluster_of, make_folders, ports_of, sentinel, tcp_server
from tests.support.tls_fronts import tls_fronts

KINDS = ("rediss", "rediss+sentinel", "rediss+cluster")


@dataclass(frozen=True, slots=True)
class Place:
    """Servers of one kind: the ports of all of them, and what stands behind the host in a URL."""

    scheme: str
    ports: tuple[int, ...]
    first: int
    behind: str

    def url(self, fronts: dict[int, int], options: str) -> str:
        return f"{self.scheme}://127.0.0.1:{fronts[self.first]}{self.behind}?{options}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(params=KINDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    one, two = make_folders(tmp_path / "servers", 2)
    async with AsyncExitStack() as stack:
        if request.param == "rediss+cluster":
            url, _ = await stack.enter_async_context(cluster_of(tmp_path / "cluster"))
            ports = await ports_of(url)
            yield Place(request.param, ports, ports[0], "")
            return
        primary = await stack.enter_async_context(tcp_server(one))
        if request.param == "rediss":
            yield Place(request.param, (primary,), primary, "/0")
            return
        asked = await stack.enter_async_context(sentinel(two, primary))
        yield Place(request.param, (primary, asked), asked, "/house/0")


async def commit(url: str) -> None:
    store = RedisStore(connect(url), "replica")
    try:
        assert (await store.commit("a", beginning(), "")).won
        assert (await store.epochs(["a", "b", "c"])) == {"a": 1, "b": 0, "c": 0}
    finally:
        await store.aclose()


async def test_an_authority_of_our_own_is_trusted(place: Place, authority: Authority) -> None:
    """Commands and pipelines, over encrypted connections alone: what is told of other nodes is dialled with TLS too."""
    context = authority.server_context(authority.sign("server"))
    async with tls_fronts(place.ports, context) as fronts:
        await commit(place.url(fronts, f"ssl_ca_certs={authority.path}"))


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        ("DNS:elsewhere.internal", 2, "IP address mismatch|Hostname mismatch"),
        ("IP:127.0.0.1", -1, "certificate has expired"),
    ],
)
async def test_a_certificate_that_is_not_the_servers_is_refused(
    place: Place, authority: Authority, names: str, days: int, words: str
) -> None:
    """Of another host, or expired: away in words, and nothing is written; only the host's name may be let pass."""
    context = authority.server_context(authority.sign("wrong", names, days))
    async with tls_fronts(place.ports, context) as fronts:
        url = place.url(fronts, f"ssl_ca_certs={authority.path}")
        with pytest.raises(StoreAway, match=words) as caught:
            await commit(url)
        assert "\n" not in str(caught.value)
        if days > 0:
            await commit(f"{url}&ssl_check_hostname=no")


async def test_an_unknown_authority_is_refused(place: Place, authority: Authority, tmp_path: Path) -> None:
    """Without `ssl_ca_certs` the system's authorities are asked; `ssl_cert_reqs=none` asks nobody."""
    context = authority.server_context(authority.sign("server"))
    async with tls_fronts(place.ports, context) as fronts:
        with pytest.raises(StoreAway, match="certificate verify failed"):
            await commit(place.url(fronts, ""))
        with pytest.raises(StoreAway, match="No such file"):
            await commit(place.url(fronts, f"ssl_ca_certs={tmp_path / 'missing.pem'}"))
        await commit(place.url(fronts, "ssl_cert_reqs=none"))


async def test_a_client_shows_its_certificate(place: Place, authority: Authority, tmp_path: Path) -> None:
    """A server that asks for one is away without it. Files that are renewed are read by the next connection."""
    context = authority.server_context(authority.sign("server"), asks_clients=True)
    good, bad = authority.sign("client"), Authority(tmp_path / "other").sign("client")
    shown = tmp_path / "client.pem"
    trust = f"ssl_ca_certs={authority.path}"
    async with tls_fronts(place.ports, context) as fronts:
        with pytest.raises(StoreAway):
            await commit(place.url(fronts, trust))
        for certificate in (bad, good):
            shutil.copy(certificate, shown)
            shutil.copy(certificate.with_suffix(".key"), tmp_path / "client.key")
            if certificate == bad:
                options = f"{trust}&ssl_certfile={shown}&ssl_keyfile={tmp_path / 'client.key'}"
                store = RedisStore(connect(place.url(fronts, options)), "replica")
                with pytest.raises(StoreAway):
                    await store.read("a")
        assert (await store.commit("a", beginning(), "")).won
        await store.aclose()


async def test_a_server_without_tls_is_away(place: Place) -> None:
    """A URL that asks for TLS never falls back to plain text."""
    url = place.url(dict(zip(place.ports, place.ports, strict=True)), "")
    with pytest.raises(StoreAway, match=re.compile("ssl|tls|cannot be reached", re.IGNORECASE)):
        await commit(url)
