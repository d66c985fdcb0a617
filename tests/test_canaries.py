"""The search for planted secrets finds them: in whatever form, and on whatever way they leave."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.calling import Place
from tests.support.canaries import ADMIN_TOKEN, CLIENT_KEY, FINGERPRINT_KEY, PLANTED, PROVIDER_KEY, WATCH
from tests.support.processes import command
from tests.support.stored import stored

Serve = Callable[..., Awaitable[Place]]


@pytest.mark.parametrize("secret", [ADMIN_TOKEN, CLIENT_KEY, *PLANTED.values()])
def test_every_secret_is_found(secret: str) -> None:
    """As it is, and in base64 at every offset; a word that is like one is not."""
    with WATCH.expecting() as found:
        WATCH.search("plain", b"x" + secret.encode())
        for before in range(3):
            WATCH.search("base64", b64encode(b"u" * before + b":" + secret.encode() + b"@"))
        WATCH.search("near", b"a planted canary sings")
    assert [each.partition(":")[0] for each in found] == ["plain", *["base64"] * 3]


def test_files(tmp_path: Path) -> None:
    """A file that holds a secret is named; an `.env` is where secrets belong."""
    for name in ("notes.txt", ".env"):
        (tmp_path / name).write_text(PROVIDER_KEY)
    with WATCH.expecting() as found:
        WATCH.search_files(tmp_path)
    assert len(found) == 1 and found[0].startswith("file notes.txt")
    (tmp_path / "notes.txt").unlink()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_says_a_secret(serve: Serve, stream: bool) -> None:
    """Every byte that a gateway of the tests sends is searched: here a model says the operators' token."""
    place = await serve()
    place.standin.behave("good", ModelBehaviour(chunk_text=f"It is {ADMIN_TOKEN}. "))
    with WATCH.expecting() as found:
        answer = await place.chat(stream=stream)
    assert ADMIN_TOKEN in answer.text and found


async def test_what_is_planted(serve: Serve, redis_url: str) -> None:
    """A gateway of the tests has its secrets from the environment, and uses them; the store holds none."""
    place = await serve()
    await place.chat()
    assert ("authorization", f"Bearer {PROVIDER_KEY}") in place.received().headers
    runtime = place.running.gateway.services.runtime
    assert runtime.fingerprint_key == FINGERPRINT_KEY.encode() and runtime.doorkeeper.holds(ADMIN_TOKEN)
    with WATCH.expecting() as found:
        WATCH.search("store", await stored(redis_url))
    assert found == []


async def test_commands_are_searched() -> None:
    """What a command of the tests prints is searched: here an unknown argument is a secret."""
    with WATCH.expecting() as found:
        done = await command(PROVIDER_KEY)
    assert done.code != 0 and found
