"""The demo's processes: a free port each, an environment of their own, ended whatever happens."""

import os
from pathlib import Path

import pytest

from gateway.rehearsal.demo.ask import NoAnswer, ask
from gateway.rehearsal.demo.children import ChildCommand, DemoFailed, environment, free_ports, listen, running

pytestmark = pytest.mark.process

STANDIN = ("gateway", "standin", "--listen")


async def test_a_child_is_ready_when_it_is_handed_over_and_gone_afterwards(tmp_path: Path) -> None:
    """Inside it answers; behind the block its pid is nobody's."""
    address = listen(free_ports(1)[0])
    async with running(ChildCommand("provider", (*STANDIN, address), "/healthz", {}), address, tmp_path) as child:
        assert await ask("GET", f"{child.root_url}/healthz") == {"ok": True}
    assert not child.is_alive
    with pytest.raises(ProcessLookupError):
        os.kill(child.process.pid, 0)


async def test_a_child_is_ended_when_the_demo_breaks_off(tmp_path: Path) -> None:
    """An exception in the block, as from Ctrl-C, ends it as well."""
    address = listen(free_ports(1)[0])
    with pytest.raises(RuntimeError):
        async with running(ChildCommand("provider", (*STANDIN, address), "/healthz", {}), address, tmp_path) as child:
            raise RuntimeError
    assert not child.is_alive


async def test_a_child_that_gives_up_says_why(tmp_path: Path) -> None:
    """The failure carries its exit code and its last lines."""
    command = ChildCommand("provider", (*STANDIN, "nowhere"), "/healthz", {})
    with pytest.raises(DemoFailed, match=r"(?s)provider gave up with exit code 2.*host:port is needed"):
        async with running(command, listen(free_ports(1)[0]), tmp_path):
            pass


async def test_asking_nobody_is_told_plainly() -> None:
    """No answer, a refusal and an answer that is not JSON are one error, with the URL in it."""
    with pytest.raises(NoAnswer, match=r"GET http://127\.0\.0\.1:\d+/status"):
        await ask("GET", f"http://{listen(free_ports(1)[0])}/status")


async def test_a_refusal_is_no_answer(tmp_path: Path) -> None:
    """HTTP 404 with JSON in it is not what was asked for."""
    address = listen(free_ports(1)[0])
    async with running(ChildCommand("provider", (*STANDIN, address), "/healthz", {}), address, tmp_path) as child:
        with pytest.raises(NoAnswer, match="HTTP 404"):
            await ask("GET", f"{child.root_url}/standin/nothing")


def test_ports_are_different_ones() -> None:
    """They are taken together, so none is given twice."""
    ports = free_ports(5)
    assert len(set(ports)) == 5


def test_the_users_own_settings_do_not_reach_the_children() -> None:
    """A store or a token in the user's shell is not the demo's; the rest of the environment is."""
    made = environment({"SERINUS_STORE": "redis://prod", "HOME": "/h", "PYTHONPATH": "/p"}, {"SERINUS_LISTEN": "x:1"})
    assert made["SERINUS_LISTEN"] == "x:1"
    assert made["HOME"] == "/h"
    assert made["PYTHONPATH"].endswith(f"{os.pathsep}/p")
    assert "SERINUS_STORE" not in made
