"""What a person at a terminal reads once the gateway serves."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config import Deployment, load
from gateway.replica.banner import Banner, banner
from gateway.rollout.table import Entry
from gateway.terminal import Palette, columns_of
from policies.rollout.state import Phase
from tests.support.running import write
from tests.support.trials import begun

FILES = {
    "gateway.yaml": {"providers": {"p": {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}}, "models": ["p/*"]},
    "routing.yaml": {"agents": {"support": {"stable": "v1", "canary": "v2", "weight": "5%"}, "solo": {"stable": "v1"}}},
    "agents/support/v1.yaml": {"model": "p/m"},
    "agents/support/v2.yaml": {"model": "p/n"},
    "agents/solo/v1.yaml": {"model": "p/m"},
}


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return load(write(tmp_path, FILES), {})


def words(said: Banner) -> str:
    return said.text(Palette(), 80)


def of(deployment: Deployment, phase: Phase, weight: int) -> Entry:
    """The agent's entry under a record of that phase."""
    agent = deployment.agents["support"]
    return Entry.of(agent, replace(begun(agent), phase=phase, weight=weight))


def test_it_says_where_to_go(deployment: Deployment) -> None:
    """The address for clients, the page, the token, the files, the plain models."""
    said = words(banner(deployment, Path("/etc/serinus"), 8081, is_new_token=True))
    assert re.search(r"base_url +http://127.0.0.1:8081/v1\n", said)
    assert re.search(r"status page +http://127.0.0.1:8081/status\n", said)
    assert "above, new at each start; to keep one, set SERINUS_ADMIN_TOKEN" in said
    assert "/etc/serinus" in said and re.search(r"plain models +p/\*\n", said) and "listens at" not in said


@pytest.mark.parametrize(
    ("phase", "weight", "words_of_it"),
    [
        ("running", 500, "v1 95 %, v2 5 % (canary, running)"),
        ("paused", 500, "v1 95 %, v2 5 % (canary, paused)"),
        ("completed", 10_000, "v2 (canary, completed)"),
        ("rolled_back", 0, "v1; v2 was rolled back"),
    ],
)
def test_it_says_who_serves(deployment: Deployment, phase: Phase, weight: int, words_of_it: str) -> None:
    """By the record, not by the configuration alone."""
    entries = {"support": of(deployment, phase, weight)}
    said = words(banner(deployment, Path(), 80, is_new_token=False, entries=entries))
    assert f"    support  {words_of_it}\n" in said and "    solo     v1\n" in said


def test_an_unknown_record_promises_nothing(deployment: Deployment) -> None:
    """Before it was read, or in the parent of several workers."""
    unread = {"support": Entry.of(deployment.agents["support"], None)}
    assert "v1; v2 waits" in words(banner(deployment, Path(), 80, is_new_token=False, entries=unread))
    assert "v1, canary v2\n" in words(banner(deployment, Path(), 80, is_new_token=False))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80/v1"),  # noqa: S104 - nothing is bound
        ("::", "http://[::1]:80/v1"),
        ("box", "http://box:80/v1"),
    ],
)
def test_an_address_can_be_reached(deployment: Deployment, host: str, url: str) -> None:
    """Where it listens everywhere, the one of this machine is named, and that it listens everywhere."""
    settings = replace_host(deployment, host)
    said = words(banner(settings, Path(), 80, is_new_token=False))
    assert url in said and f"{host}, port 80" in said and "none: set SERINUS_ADMIN_TOKEN" in said


def replace_host(deployment: Deployment, host: str) -> Deployment:
    listen = replace(deployment.settings.listen, host=host)
    return replace(deployment, settings=deployment.settings.model_copy(update={"listen": listen}))


def test_it_stays_within_the_terminal(deployment: Deployment) -> None:
    """Long names and many agents are cut; a configured token is said to be somewhere, and no more."""
    agents = {f"{'a' * 50}{n}": agent for n in range(20) for agent in [deployment.agents["support"]]}
    changes = {"admin_token_sha256": "e" * 64, "public_url": "https://gw.example/"}
    settings = deployment.settings.model_copy(update=changes)
    many = replace(deployment, agents=agents, settings=settings)
    said = words(banner(many, Path("/" + "long/" * 40), 80, is_new_token=False))
    assert max(map(columns_of, said.splitlines())) <= 80
    assert "and 8 more: 'serinus status'" in said and "e" * 64 not in said and "the one you have set" in said
    assert "https://gw.example/status\n" in said  # which others reach, too
