"""The books: what is counted and charged, and when a client that left is noticed."""

import asyncio

import pytest

from gateway.rehearsal.standin import Counts, EndedCall, ModelBehaviour, Standin
from gateway.rehearsal.standin.books import Bill, Books

from .raw import ask, eventually, post, request


async def test_a_whole_answer_is_charged_in_full(standin: Standin) -> None:
    """Streamed or not, the same tokens."""
    standin.behave(
        "m", ModelBehaviour(prompt_tokens=100, cached_tokens=40, output_tokens=30, reasoning_tokens=5, chunks=4)
    )
    await post(standin)
    await post(standin, stream=True)
    expected = Counts(requests=2, ok=2, prompt_tokens=200, cached_tokens=80, completion_tokens=70)
    assert standin.counts("m") == expected


async def test_a_cut_stream_is_charged_up_to_its_cut(standin: Standin) -> None:
    """The prompt, and the share of the chunks that went out."""
    standin.behave(
        "m",
        ModelBehaviour(fault_script=("truncate",), prompt_tokens=100, output_tokens=40, chunks=4, fault_after_chunks=3),
    )
    await post(standin, stream=True)
    assert (standin.counts("m").prompt_tokens, standin.counts("m").completion_tokens) == (100, 30)


async def test_an_error_is_not_charged(standin: Standin) -> None:
    """A call that ends in a status costs nothing."""
    standin.behave("m", ModelBehaviour(fault_script=("status",)))
    await post(standin)
    assert standin.counts("m") == Counts(requests=1, faults={"status": 1})


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_first_byte_is_cancelled(standin: Standin, stream: bool) -> None:
    """In flight until it leaves, cancelled within a moment, nothing charged."""
    standin.behave("m", ModelBehaviour(latency_seconds=30))
    _, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(request(ask(stream=stream)))
    await asyncio.sleep(0.05)
    assert standin.counts("m") == Counts(requests=1, open=1)
    writer.close()
    await eventually(standin, seconds=0.1)
    assert standin.counts("m") == Counts(requests=1, cancelled=1)


async def test_a_client_that_leaves_in_mid_stream_pays_for_what_it_got(standin: Standin) -> None:
    """The prompt and the chunks so far; the rest is never made."""
    standin.behave("m", ModelBehaviour(chunk_seconds=0.05, chunks=1000, prompt_tokens=10))
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(request(ask(stream=True)))
    await reader.readuntil(b"cheep")
    writer.close()
    await eventually(standin, seconds=0.1)
    counts = standin.counts("m")
    assert (counts.cancelled, counts.prompt_tokens) == (1, 10)
    assert 1 <= counts.completion_tokens <= 3


async def test_a_slow_reader_holds_the_answer_back(standin: Standin) -> None:
    """What nobody reads is not made: the call stays open, most of it uncharged, until the client reads or leaves."""
    standin.behave("m", ModelBehaviour(chunks=20_000, chunk_text="x" * 1000))
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port, limit=1000)
    writer.write(request(ask(stream=True)))
    await asyncio.sleep(0.2)
    assert standin.counts("m").open == 1
    assert standin.counts("m").completion_tokens < 15_000
    while await reader.read(1 << 20):
        pass
    assert (standin.counts("m").ok, standin.counts("m").completion_tokens) == (1, 20_000)
    writer.close()


async def test_the_last_requests_are_kept_as_they_came(standin: Standin) -> None:
    """Headers in their case and order, the query, the body; 200 of them, one MiB of each."""
    body = request(b'{"model":"m"}', path="/v1/chat/completions?a=1", headers="X-Odd: One\r\nx-odd: two\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(body)
    await reader.read()
    writer.close()
    (received,) = standin.requests
    assert (received.method, received.path, received.json()) == ("POST", "/v1/chat/completions?a=1", {"model": "m"})
    assert [each for each in received.headers if each[0].lower() == "x-odd"] == [("X-Odd", "One"), ("x-odd", "two")]
    await post(standin, user="u" * (2 << 20))
    *_, large = standin.requests
    assert (len(large.raw_body), large.body_bytes > 2 << 20) == (1 << 20, True)


async def test_stopping_cuts_what_is_in_flight() -> None:
    """A stop waits for nobody: the call counts as cancelled."""
    standin = Standin({"m": ModelBehaviour(fault_script=("hang",))})
    await standin.start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", standin.port)
    writer.write(request(ask()))
    await asyncio.sleep(0.05)
    await standin.stop()
    await standin.stop()
    assert standin.counts("m").cancelled == 1
    writer.close()


def test_a_ledger_is_told_of_each_call() -> None:
    """When it ends: its request, its fault, what it was charged, and whether its client stayed."""
    told: list[EndedCall] = []
    books = Books(told.append)
    whole, left = books.open("m", None, b"one"), books.open("m", "hang", b"two")
    whole.charge(Bill(5, 0, 0))
    whole.charge(Bill(0, 0, 3))
    left.cancel()
    whole.finish()
    assert told == [
        EndedCall("m", b"two", "hang", False, Bill(0, 0, 0)),
        EndedCall("m", b"one", None, True, Bill(5, 0, 3)),
    ]
