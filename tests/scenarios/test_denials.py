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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", ["anthropic", "gemini", "openai"])
async def test_a_denial_inside_a_200_that_names_the_model(
    serve: Serve, capsys: pytest.CaptureFixture[str], api: str, stream: bool
) -> None:
    """It is told as a 403 is: the next target is asked, and the operator hears which model the key does not open."""
    here = await serve(api=api, routing={"fallback": [f"{PROVIDERS[api]}/other"]})
    refusal = "Your key may not use the model good here."
    here.standin.behave("good", failing("error_in_200", status=403, error_message=refusal, error_code="403"))
    answer = await here.chat(stream=stream)
    assert answer.status_code == 200 and answer.headers["x-serinus-target"].endswith("/other")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if '"event":"target_misconfigured"' in line]
    assert "does not let the gateway's key use the model good" in line and "access to the model" in line
    assert (await here.books()).errors == 1
