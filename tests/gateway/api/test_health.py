"""Alive, and ready for calls."""

from collections.abc import Awaitable, Callable

from tests.support.calling import Place

Serve = Callable[..., Awaitable[Place]]


async def test_alive_and_ready(serve: Serve) -> None:
    """Both answer 200 without a key."""
    here = await serve(gateway={"keys": {"app": {"sha256": "0" * 64}}})
    assert (await here.http.get(f"{here.running.url}/healthz")).json() == {"status": "ok"}
    assert (await here.http.get(f"{here.running.url}/readyz")).json() == {"status": "ok", "store": "ok"}


async def test_draining(serve: Serve) -> None:
    """A gateway that drains is alive, but not ready."""
    here = await serve()
    here.running.gateway.drain()
    ready = await here.http.get(f"{here.running.url}/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (await here.http.get(f"{here.running.url}/healthz")).status_code == 200
