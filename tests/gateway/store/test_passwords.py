"""Passwords that change while a store is open, at servers whose users change with them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.config.store_url import read_store_url
from gateway.errors import StoreAway, StoreRefused
from gateway.store import RedisStore, connect
from gateway.store.connect import password_of
from gateway.store.passwords import RENEW_SECONDS, AwsToken
from gateway.store.permissions import acl_line
from tests.support.decisions import beginning
from tests.support.redis_servers import ask_server, tcp_server
from tests.support.waiting import within

ODD = "pl/an#te?d[-]s@e%c:r&e=t +\\é'\""
CACHE = "rediss://serinus@127.0.0.1:{port}/0?auth=aws-iam&aws_cache=Orders&aws_region=eu-central-1"


@pytest_asyncio.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with tcp_server(tmp_path) as port:
        await ask_server(port, *acl_line().replace("PASSWORD", "first").split())
        yield port


async def rotate(port: int, password: str) -> None:
    """The server takes only the new password, and ends what the user has open, as managed ones do."""
    await ask_server(port, "ACL", "SETUSER", "serinus", "resetpass", f">{password}")
    await ask_server(port, "CLIENT", "KILL", "USER", "serinus")


async def test_a_file_is_read_for_every_connection(port: int, tmp_path: Path) -> None:
    """The next operation after a rotation logs in with what the file holds now; a line break at its end is no part."""
    file = tmp_path / "password"
    file.write_text("first\n")
    store = RedisStore(connect(f"redis://serinus@127.0.0.1:{port}/0?password_file={file}"), "replica")
    assert (await store.commit("a", beginning(), "")).won
    for password in ("second", ODD):
        file.write_text(password + "\n")
        await rotate(port, password)
        assert (await store.epochs(["a"])) == {"a": 1}
    await store.aclose()


async def test_a_password_that_is_late_is_refused_and_then_taken(port: int, tmp_path: Path) -> None:
    """The server rotates before the file does: away in the server's words, which hold no password, until it has."""
    file = tmp_path / "password"
    file.write_text("first")
    store = RedisStore(connect(f"redis://serinus@127.0.0.1:{port}/0?password_file={file}"), "replica")
    await store.ping()
    await rotate(port, "second")
    for _ in range(2):
        with pytest.raises(StoreRefused, match="WRONGPASS") as caught:
            await store.ping()
        assert "first" not in str(caught.value)
    file.write_text("second")
    await store.ping()
    await store.aclose()


@pytest.mark.parametrize("content", ["", "\n", "\udcff", "x" * 70_000])
async def test_a_file_without_a_password_is_away(port: int, tmp_path: Path, content: str) -> None:
    """Missing, empty, too long or no text: in a sentence, never sent, and served as soon as it is there."""
    file = tmp_path / "password"
    store = RedisStore(connect(f"redis://serinus@127.0.0.1:{port}/0?password_file={file}"), "replica")
    with pytest.raises(StoreAway, match="No such file"):
        await store.ping()
    file.write_text(content, errors="surrogateescape")
    with pytest.raises(StoreAway, match="password_file gives no password"):
        await store.ping()
    file.write_text("first")
    await store.ping()
    await store.aclose()


def program(folder: Path, text: str) -> str:
    path = folder / "token.py"
    path.write_text(text)
    return quote(f"{sys.executable} {path}", safe="")


async def test_a_command_prints_the_password(port: int, tmp_path: Path) -> None:
    """It runs once for many connections, and again after a refusal."""
    (tmp_path / "now").write_text("first")
    command = program(
        tmp_path,
        f"from pathlib import Path\nf = Path({str(tmp_path)!r})\n(f / 'runs').open('a').write('x')\n"
        "print((f / 'now').read_text())\n",
    )
    store = RedisStore(connect(f"redis://serinus@127.0.0.1:{port}/0?password_command={command}"), "replica")
    await store.ping()
    await asyncio.gather(*(store.read(f"agent-{n}") for n in range(20)))
    assert (tmp_path / "runs").read_text() == "x"
    (tmp_path / "now").write_text("second")
    await rotate(port, "second")
    with pytest.raises(StoreRefused, match="WRONGPASS"):
        await store.ping()
    await store.ping()
    assert (tmp_path / "runs").read_text() == "xx"
    await store.aclose()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import sys; print('s3cret'); sys.exit(3)", "password_command ended with exit code 3"),
        ("pass", "password_command gives no password"),
        ("import time; time.sleep(60)", "did not answer in time|no password for the store in time"),
    ],
)
async def test_a_command_that_fails_is_away(port: int, tmp_path: Path, text: str, words: str) -> None:
    """It fails, prints nothing or does not end: within the deadline, and nothing that it printed is shown."""
    command = program(tmp_path, text)
    store = RedisStore(
        connect(f"redis://serinus@127.0.0.1:{port}/0?password_command={command}"), "replica", deadline=1.0
    )
    with pytest.raises(StoreAway, match=words) as caught:
        await store.ping()
    assert "s3cret" not in str(caught.value)
    await store.aclose()


async def test_a_slow_command_serves_the_next_operation(port: int, tmp_path: Path) -> None:
    """Its answer comes after the deadline of whoever asked first, and no connection is left without a login."""
    command = program(tmp_path, "import time; time.sleep(1.5); print('first')")
    store = RedisStore(
        connect(f"redis://serinus@127.0.0.1:{port}/0?password_command={command}"), "replica", deadline=0.5
    )
    with pytest.raises(StoreAway):
        await store.ping()
    async with asyncio.timeout(20):
        while True:
            try:
                await store.ping()
                break
            except StoreRefused:
                raise
            except StoreAway:
                await asyncio.sleep(0.1)
    await store.aclose()


async def test_a_command_ends_with_the_store(port: int, tmp_path: Path) -> None:
    """One that has not answered yet is killed when the store is closed."""
    command = program(
        tmp_path, f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    store = RedisStore(
        connect(f"redis://serinus@127.0.0.1:{port}/0?password_command={command}"), "replica", deadline=1.0
    )
    with pytest.raises(StoreAway):
        await store.ping()
    file = tmp_path / "pid"
    await within(60, lambda: file.exists() and bool(file.read_text()))
    await store.aclose()
    process = Path("/proc") / await asyncio.to_thread(file.read_text)
    await within(60, lambda: not process.exists())


async def test_a_command_sees_no_key_of_a_provider(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is what programs of clouds need."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    seen = tmp_path / "seen"
    command = program(tmp_path, f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ))); print('first')")
    store = RedisStore(connect(f"redis://serinus@127.0.0.1:{port}/0?password_command={command}"), "replica")
    await store.ping()
    await store.aclose()
    assert "sk-planted" not in seen.read_text() and "AZURE_CLIENT_ID" in seen.read_text()


async def test_tokens_of_iam_are_made_for_every_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes only the token of now, as ElastiCache does: a connection made later brings a later one."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    now = [1_800_000_000.0]
    token = AwsToken(read_store_url(CACHE.format(port=port)), lambda: now[0])
    client = connect(f"redis://127.0.0.1:{port}/0")
    assert isinstance(client, Redis)
    client.connection_pool.connection_kwargs["credential_provider"] = token
    store = RedisStore(client, "replica")
    for _ in range(3):
        await rotate(port, await token.newest())
        await store.ping()
        now[0] += 1000
    assert (await token.newest()).startswith("orders/?Action=connect&User=serinus&X-Amz-Algorithm=")
    assert "X-Amz-Expires=900" in await token.newest()
    await store.aclose()


async def test_no_credentials_of_aws_are_away(port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a sentence, and nothing is asked for beyond the machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    client = connect(f"redis://127.0.0.1:{port}/0")
    assert isinstance(client, Redis)
    client.connection_pool.connection_kwargs["credential_provider"] = AwsToken(read_store_url(CACHE.format(port=port)))
    store = RedisStore(client, "replica")
    with pytest.raises(StoreAway, match="no AWS credentials found"):
        await store.ping()
    await store.aclose()


async def test_connections_are_made_anew_before_the_server_ends_them(port: int, tmp_path: Path) -> None:
    """After a while they log in again, although nothing was refused; those with a fixed password stay."""
    (tmp_path / "password").write_text("first")
    for options, is_renewed in ((f"serinus@127.0.0.1:{port}/0?password_file={tmp_path}/password", True),
                                (f"serinus:first@127.0.0.1:{port}/0", False)):  # fmt: skip
        store = RedisStore(connect(f"redis://{options}"), "replica")
        await store.ping()
        before = await clients(port)
        if (password := password_of(store._client)) is not None:
            password._renewed_at -= RENEW_SECONDS
        await store.ping()
        assert (before != await clients(port)) is is_renewed
        await store.aclose()


async def clients(port: int) -> set[str]:
    """The ids of the user's connections."""
    lines = str(await ask_server(port, "CLIENT", "LIST")).splitlines()
    return {line.split()[0] for line in lines if " user=serinus " in line}
