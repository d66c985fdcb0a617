"""URLs of stores: one reader for `check` and for whoever dials, and no message with a part of a password."""

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.config.secrets import known_secrets
from gateway.config.store_url import SCHEMES, read_store_url
from gateway.store import connect
from tests.gateway.config.folders import ENVIRON, GATEWAY, loaded, problems
from tests.support.processes import command

ODD = "pl/an#te?d[-]s@e%c:r&e=t +\\é"
SHAPES = [
    "redis://user:{}@redis.internal:6379/0",
    "rediss://:{}@redis.internal:6379?db=1",
    "unix://:{}@/run/redis.sock",
    "redis+sentinel://user:{}@one:26379,two/house/1?sentinel_password={}",
    "redis+cluster://:{}@one,two:6380",
    "rediss+sentinel://user:{}@one:26379,two/house/1?sentinel_password={}",
    "rediss+cluster://:{}@one,two:6380?prefix=staging",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_variable_stands_for_exactly_its_value(tmp_path: Path, shape: str) -> None:
    """Whatever a password consists of, nothing in it is read as a part of the URL."""
    text = f'store: "{shape.replace("{}", "${PW}")}"\n'
    settings = loaded(tmp_path, {"gateway.yaml": GATEWAY + text}, {**ENVIRON, "PW": ODD}).settings
    url = read_store_url(settings.store.get_secret_value())
    assert url.password == ODD and url.options.get("sentinel_password", ODD) == ODD
    assert ODD in known_secrets(settings)
    client = connect(settings.store.get_secret_value())
    if isinstance(client, Redis):
        assert client.connection_pool.connection_kwargs["password"] == ODD


def test_a_variable_may_be_user_and_password(tmp_path: Path) -> None:
    """Alone before the host, its first colon parts the two; and a whole URL is taken as it is."""
    for text, value in (("redis://${X}@h:1", "me:p/w:x"), ("${X}", "redis://me:p%2Fw%3Ax@h:1")):
        deployment = loaded(tmp_path, {"gateway.yaml": f"{GATEWAY}store: '{text}'\n"}, {**ENVIRON, "X": value})
        url = read_store_url(deployment.settings.store.get_secret_value())
        assert (url.user, url.password, url.hosts) == ("me", "p/w:x", (("h", 1),))


@pytest.mark.parametrize("odd", [*"/#?[]%\\ ", "\n", "é", "/a?b#c"])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_message_shows_a_password_that_was_not_encoded(tmp_path: Path, shape: str, odd: str) -> None:
    """Neither whole nor in part: whoever wrote it into a variable with the whole URL hears what to do."""
    whole = shape.replace("{}", f"planted{odd}secret")
    found = problems(tmp_path, {"gateway.yaml": GATEWAY}, {**ENVIRON, "SERINUS_STORE": whole})
    assert len(found) == 1 and "percent-encoded" in found[0]
    assert not re.search("planted|secret|internal|house", found[0])


REFUSED = [
    "redis://h:port",
    "redis://h:0",
    "redis://h:70000",
    "redis://h/x",
    "redis://h/-1",
    "redis://h?db=x",
    "redis://a,b",
]
REFUSED += [
    "redis://h?x=1",
    "redis://h?db=1&db=2",
    "rediss://h?ssl_cert_reqs=maybe",
    "unix://host/x",
    "redis+cluster://h/1",
]
REFUSED += [
    "redis://h?prefix=a:b",
    "redis://h?prefix=",
    "redis://h?password_file=x",
    "redis://h?password_command=",
    "redis://h?password_command=%27",
    "rediss://h?password_file=/x&password_command=y",
    "rediss://h?ssl_keyfile=/x",
    "rediss://h?auth=aws-iam&aws_cache=c&aws_region=r",
    "rediss://u@h?auth=aws-iam&aws_cache=c",
    "rediss://u@h?aws_cache=c",
    "redis://u@h?auth=aws-iam&aws_cache=c&aws_region=r",
    "rediss+sentinel://h",
    "redis+sentinel://h",
    "redis+sentinel://h/s/x",
    "redis+cluster://h:1?db=1",
    "redis://[::1",
    "redis:///0",
    "redis://",
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_cannot_be_dialled_is_a_problem(tmp_path: Path, url: str) -> None:
    """`check` says it with the same words as `serve`."""
    (found,) = problems(tmp_path, {"gateway.yaml": f"{GATEWAY}store: '{url}'\n"}, ENVIRON)
    with pytest.raises(ValueError) as refused:
        connect(url)
    assert str(refused.value) in found


@given(st.sampled_from(SCHEMES), st.text(max_size=30))
def test_what_is_read_can_be_dialled(scheme: str, rest: str) -> None:
    """No other error comes of any text: what the reader takes, redis-py takes."""
    url = f"{scheme}://{rest}"
    try:
        read_store_url(url)
    except ValueError:
        return
    connect(url)


async def test_neither_command_prints_a_part_of_it(tmp_path: Path) -> None:
    """With the password in the URL as it must not be: exit 2, and no trace in what is printed."""
    loaded(tmp_path, {"gateway.yaml": GATEWAY}, ENVIRON)
    for verb, odd in itertools.product(("check", "serve"), ("/", "#", "[")):
        store = f"redis://:planted{odd}secret@127.0.0.1:1/0"
        done = await command(verb, "--config", str(tmp_path), **ENVIRON, SERINUS_STORE=store)
        assert done.code == 2 and "percent-encoded" in done.out + done.errors
        assert not re.search("planted|secret@|Traceback", done.out + done.errors)
