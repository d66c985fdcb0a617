"""Providers that answer 403: who is told, who is asked next, and what is booked."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.calling import PROVIDERS, Place, failing

Serve = Callable[..., Awaitable[Place]]
FLAGGED = failing("status", status=403, error_message="Your input was flagged for violence.", error_code="flagged")
BLOCKED = failing("status", status=403, error_message="Blocked.", error_code="blocked")


@pytest.mark.parametrize("api", PROVIDERS)
async def test_a_moderations_refusal_ends_the_call(serve: Serve, api: str) -> None:
    """The client gets 403; no other target and no person is asked, and it is no error of the version."""
    here = await serve(api=api, routing={"fallback": [f"{PROVIDERS[api]}/other", "human"]})
    here.standin.behave("good", FLAGGED)
    refused = await here.chat()
    assert refused.status_code == 403 and "flagged" in refused.json()["error"]["message"]
    assert len(here.standin.requests) == 1
    books = await here.books()
    assert (books.errors, books.rejected) == (0, 1)


@pytest.mark.parametrize("api", PROVIDERS)
async def test_a_403_without_a_reason_goes_to_the_next_target(serve: Serve, api: str) -> None:
    """Where none is left, the client gets 502 and is told not to repeat it; nobody blames a key that has served."""
    here = await serve(api=api, routing={"fallback": [f"{PROVIDERS[api]}/other", "human"]})
    assert (await here.chat()).status_code == 200
    here.standin.behave("good", BLOCKED)
    assert (await here.chat()).headers["x-serinus-target"].endswith("/other")
    here.standin.behave("other", BLOCKED)
    refused = await here.chat()
    assert refused.status_code == 502 and refused.headers["x-should-retry"] == "false"
    assert "HTTP 403" in refused.json()["error"]["message"] and "credentials" not in refused.text
    assert (await here.books(requests=3)).errors == 0


async def test_a_403_of_a_target_that_never_served_is_the_configurations(serve: Serve) -> None:
    """A key that was wrong from the start is told as before, whatever its provider says of it."""
    here = await serve()
    here.standin.behave("good", BLOCKED)
    refused = await here.chat()
    assert refused.status_code == 502 and "check api_key of the provider standin" in refused.json()["error"]["message"]
