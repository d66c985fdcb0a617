"""What an answer of 200 costs that cannot be read: its provider bills it, whatever we make of it."""

from contextlib import suppress
from typing import Any

import httpx2
import pytest

from gateway.rehearsal.standin import Fault
from tests.conftest import Serve
from tests.support.calling import PROVIDERS, Place, failing

BROKEN: list[Fault] = ["bad_json", "clean_cut", "reset_mid_stream", "empty_choices"]
CASES: list[tuple[str, Fault]] = [*((api, "truncate") for api in PROVIDERS), *(("openai", fault) for fault in BROKEN)]


async def fail(serve: Serve, api: str, fault: Fault, stream: bool) -> tuple[Place, Any]:
    """A call that ends so, and what is booked of it."""
    here = await serve(api=api)
    here.standin.behave("good", failing(fault, fault_after_chunks=0))
    with suppress(httpx2.RemoteProtocolError):  # a stream that had begun is cut
        await here.chat(stream=stream)
    return here, await here.books()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("api", "fault"), CASES)
async def test_an_answer_that_cannot_be_read_costs_its_prompt(
    serve: Serve, api: str, fault: Fault, stream: bool
) -> None:
    """By the size of the request, marked as an estimate, where the provider's count could not be read."""
    here, books = await fail(serve, api, fault, stream)
    sent = here.received().body_bytes
    assert books.tokens.input == sent // 4 + 1
    assert here.standin.counts("good").requests == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", ["status", "html", "error_in_200", "reset"])
async def test_what_no_provider_bills_costs_nothing(serve: Serve, fault: Fault, stream: bool) -> None:
    """An error, a web page of some proxy, and a connection that ends without an answer."""
    _, books = await fail(serve, "openai", fault, stream)
    assert (books.tokens.input, books.errors) == (0, 1)
