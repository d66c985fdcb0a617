"""What an answer's headers say about another try, and what refusals of our own say about a version."""

import asyncio

import pytest

from gateway.headers import retry_after
from gateway.rehearsal.standin import Behaviour
from tests.conftest import Serve
from tests.gateway.calling import eventually, failing

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([(b"retry-after", b"7")], 7.0),
        ([(b"retry-after", b" 1.5 ")], 1.5),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:13:30 GMT")], 10.0),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:00:00 GMT")], 0.0),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"soon")], 7.0),
        ([(b"retry-after", b"-1")], None),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b".")], None),
        ([(b"retry-after", b"\xb2")], None),
        ([(b"retry-after", b"Tue, 99 Nov 99999 22:13:30 GMT")], None),
        ([(b"retry-after", b"9" * 400)], float("inf")),
        ([(b"retry-after-ms", b"9" * 5000)], float("inf")),
    ],
)
def test_retry_after(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    """Seconds, milliseconds or a date; what cannot be read asks for nothing."""
    assert retry_after(headers, NOW) == seconds


async def test_what_an_open_circuit_refuses_counts(serve: Serve) -> None:
    """It stands for what would have failed: a version whose target is dead does not hide behind it."""
    place = await serve(gateway={"circuit": {"failures": 2, "open_for": "1m"}, "retries": {"per_target": 0}})
    place.standin.behave("good", failing("status"))
    assert [(await place.chat()).status_code for _ in range(5)] == [500, 500, 503, 503, 503]
    books = await place.books(requests=5)
    assert (books["errors"], books["unjudged"]) == (5, 0)


async def test_what_is_refused_beside_a_probe_counts_for_nothing(serve: Serve) -> None:
    """Nobody knows yet how the target is; here it is well again, and only slow to say so."""
    place = await serve(gateway={"circuit": {"failures": 2, "open_for": "1s"}, "retries": {"per_target": 0}})
    place.standin.behave("good", failing("status"))
    assert [(await place.chat()).status_code for _ in range(2)] == [500, 500]
    attempts = place.running.gateway.services.proxy.attempts
    await eventually(lambda: set(attempts.circuits().values()) == {"half_open"})
    place.standin.behave("good", Behaviour(latency_seconds=0.8))
    probe = asyncio.create_task(place.chat())
    await eventually(lambda: place.standin.counts("good").requests == 3)
    refused = [await place.chat() for _ in range(3)]
    assert {reply.status_code for reply in refused} == {503} and (await probe).status_code == 200
    books = await place.books(requests=6)
    assert (books["errors"], books["unjudged"], books["error_rate"]) == (2, 3, pytest.approx(2 / 3))
