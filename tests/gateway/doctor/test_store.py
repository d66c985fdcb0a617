"""What the doctor says of a store: real servers, with the faults that operators give them."""

from pathlib import Path

import pytest

from gateway.config import load
from gateway.doctor import Diagnosis, examine
from gateway.store.permissions import acl_line
from tests.support.redis_servers import ask_server, cluster, make_folders, tcp_server
from tests.support.running import write

pytestmark = [pytest.mark.redis, pytest.mark.process, pytest.mark.socket]


async def diagnoses(folder: Path, store: str, **environ: str) -> list[Diagnosis]:
    """What is found about the store; the one provider is asked for nothing that answers."""
    gateway = {"providers": {"p": {"api": "openai", "base_url": "http://127.0.0.1:1/v1"}}}
    write(folder, {"gateway.yaml": gateway, "routing.yaml": {"agents": {"a": {"stable": "v1"}}}})
    write(folder, {"agents/a/v1.yaml": {"model": "p/m"}})
    variables = {"SERINUS_STORE": store, "SERINUS_DATA": str(folder / "data"), **environ}
    report = await examine(load(folder, variables), variables, 10)
    return [each for each in report.diagnoses if each.subject == "store"]


async def test_a_store_that_serves(tmp_path: Path) -> None:
    """Name and version, and nothing is left in it."""
    (data,) = make_folders(tmp_path / "redis", 1)
    async with tcp_server(data, "--appendonly", "yes") as port:
        (found,) = await diagnoses(tmp_path, f"redis://127.0.0.1:{port}/0")
        assert await ask_server(port, "DBSIZE") == 0
    assert found.state == "well" and found.message.startswith("Valkey 9.") and found.message.endswith(" serves")


async def test_a_cache_is_no_store(tmp_path: Path) -> None:
    """An eviction policy that deletes records, and a server that forgets, are warned of with the remedy."""
    (data,) = make_folders(tmp_path / "redis", 1)
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    async with tcp_server(data, *options) as port:
        found = await diagnoses(tmp_path, f"redis://127.0.0.1:{port}/0")
    assert [each.state for each in found] == ["doubtful"] * len(found)
    assert found[0].message.startswith("its eviction policy is allkeys-lru")
    assert found[0].do.startswith("CONFIG SET maxmemory-policy noeviction")


async def test_a_replica_takes_no_writes(tmp_path: Path) -> None:
    """A replica of the primary is named as such."""
    first, second = make_folders(tmp_path / "redis", 2)
    async with tcp_server(first) as primary, tcp_server(second, "--replicaof", "127.0.0.1", str(primary)) as port:
        found = await diagnoses(tmp_path, f"redis://127.0.0.1:{port}/0")
    assert "it is a replica, which takes no writes" in [each.message for each in found]
    assert "broken" in [each.state for each in found]


async def test_a_user_who_may_too_little(tmp_path: Path) -> None:
    """The missing command is named; the remedy is the user's whole line. The user we print has no fault; without INFO,
    memory and persistence are not known."""
    (data,) = make_folders(tmp_path / "redis", 1)
    async with tcp_server(data) as port:
        words = acl_line().replace("PASSWORD", "pw").split()
        await ask_server(port, *words)
        (ours,) = await diagnoses(tmp_path, f"redis://serinus:pw@127.0.0.1:{port}/0")
        await ask_server(port, *[word for word in words if word != "+info"])
        (few,) = await diagnoses(tmp_path, f"redis://serinus:pw@127.0.0.1:{port}/0")
        await ask_server(port, *[word for word in words if word != "+xadd"])
        found = await diagnoses(tmp_path, f"redis://serinus:pw@127.0.0.1:{port}/0")
        wrong = await diagnoses(tmp_path, f"redis://serinus:other@127.0.0.1:{port}/0")
    assert ours.state == "well"
    assert (few.state, "may not read INFO" in few.message) == ("doubtful", True)
    assert "XADD" in found[-1].message.upper() and found[-1].do.endswith(acl_line())
    assert wrong[0].do == "check user, password and kind of URL in `store`"


async def test_a_cluster_under_a_plain_url(tmp_path: Path) -> None:
    """The sentence names the scheme to write; with it, all is well."""
    async with cluster(tmp_path / "redis") as url:
        plain = url.replace("redis+cluster:", "redis:").partition(",")[0] + "/0"
        found = [*await diagnoses(tmp_path, plain), *await diagnoses(tmp_path, url)]
    assert any("redis+cluster:// in place of redis://" in each.message for each in found[:-1])
    assert found[-1].state != "broken"


async def test_a_store_that_is_away(tmp_path: Path) -> None:
    """Host, port and TLS are to be checked."""
    (found,) = await diagnoses(tmp_path, "redis://127.0.0.1:1/0")
    assert found.state == "broken" and found.do.startswith("check host, port and TLS")


async def test_an_embedded_store_is_not_started(tmp_path: Path) -> None:
    """Its server is identified, and no folder is made."""
    (found,) = await diagnoses(tmp_path, "embedded")
    assert found.state == "well" and "not started yet" in found.message
    assert not (tmp_path / "data").exists()


async def test_an_embedded_store_that_cannot_start(tmp_path: Path) -> None:
    """A data folder that another server wrote is a fault, in the words of the start."""
    folder = tmp_path / "data" / "redis"
    folder.mkdir(parents=True)
    (folder / "server.json").write_text('{"family": "valkey", "version": "99.0.0", "holds_data": true}')
    (found,) = await diagnoses(tmp_path, "embedded")
    assert found.state == "broken" and "was written by Valkey 99.0.0" in found.message
