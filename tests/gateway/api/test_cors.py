"""Calls from pages in a browser: allowed for the origins in the configuration."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.calling import Place

Serve = Callable[..., Awaitable[Place]]
APP = "https://app.example"
PREFLIGHT = {"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
KEYS = {"app": {"sha256": "0" * 64}}


async def test_preflight(serve: Serve) -> None:
    """It carries no key and needs none; it allows what calls need, and never credentials."""
    here = await serve(gateway={"cors": [APP], "keys": KEYS})
    answer = await here.http.options(f"{here.base_url}/chat/completions", headers=PREFLIGHT)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == APP
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(("origins", "origin"), [([], APP), ([APP], "https://evil.example"), ([APP], "null")])
async def test_other_origins(serve: Serve, origins: list[str], origin: str) -> None:
    """Off by default, and for every other origin: a gateway without keys refuses the page, whatever it sends."""
    here = await serve(gateway={"cors": origins})
    preflight = await here.http.options(f"{here.base_url}/chat/completions", headers={**PREFLIGHT, "origin": origin})
    answer = await here.chat(headers={"origin": origin})
    assert (preflight.status_code, answer.status_code) == (405, 403)
    assert not here.standin.requests
    assert not [name for each in (preflight, answer) for name in each.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("stream", [False, True])
async def test_answer(serve: Serve, stream: bool) -> None:
    """Answers may be read by the page, their headers too; streams as well, and errors."""
    here = await serve(gateway={"cors": [APP]})
    for answer in (await here.chat({"origin": APP}, stream=stream), await here.chat({"origin": APP}, model="none")):
        assert answer.headers["access-control-allow-origin"] == APP
        assert answer.headers["access-control-expose-headers"] == "*"
        assert answer.headers["vary"] == "origin"


async def test_options_that_is_no_preflight(serve: Serve) -> None:
    """A plain OPTIONS is a method like any other."""
    here = await serve(gateway={"cors": [APP]})
    answer = await here.http.options(f"{here.base_url}/models", headers={"origin": APP})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
