"""Targets that can never serve a version are told of before anybody calls."""

from pathlib import Path
from typing import Any

from gateway.config import load
from gateway.replica.unusable_targets import unusable_targets
from tests.support.processes import command
from tests.support.running import write

PROVIDERS = {
    name: {"api": api, "base_url": "http://127.0.0.1:1/v1", "api_key": "${KEY}"}
    for name, api in {
        "openai": "openai", "other": "openai", "responses": "openai-responses", "claude": "anthropic",
    }.items()
}  # fmt: skip


def folder(path: Path, fallback: list[str], **version: Any) -> Path:
    return write(
        path,
        {
            "gateway.yaml": {"providers": PROVIDERS, "escalation": {"desk": True}},
            "routing.yaml": {"agents": {"support": {"stable": "v1", "fallback": fallback}}},
            "agents/support/v1.yaml": {"model": "openai/gpt-4o", **version},
        },
    )


def problems(path: Path, fallback: list[str], **version: Any) -> list[str]:
    return list(unusable_targets(load(folder(path, fallback, **version), {"KEY": "k"})))


def test_a_parameter_that_a_fallback_cannot_say(tmp_path: Path) -> None:
    """The version, the target and the parameter are named, and the way out."""
    [first, second] = problems(tmp_path, ["responses/gpt-5", "other/m", "claude/claude-sonnet-4-5", "human"], seed=7)
    assert first.startswith("support@v1 can never be served by responses/gpt-5: the Responses API has no seed")
    assert "claude/claude-sonnet-4-5" in second and "seed" in second


def test_what_can_be_said(tmp_path: Path) -> None:
    """Nothing is told of a chain in which every target speaks for the version."""
    assert problems(tmp_path, ["responses/gpt-5", "claude/claude-sonnet-4-5"], temperature=0.3, max_tokens=50) == []


def test_what_the_client_may_say_otherwise(tmp_path: Path) -> None:
    """A default is no verdict on all calls."""
    assert problems(tmp_path, ["responses/gpt-5"], seed=7, client_may_set=["seed"]) == []


def test_what_is_the_clients_business(tmp_path: Path) -> None:
    """A call that lacks something of its own says nothing of the version."""
    assert problems(tmp_path, ["claude/claude-sonnet-4-5"]) == []


async def test_check_warns(tmp_path: Path) -> None:
    """`serinus check` shows it, and the folder is well all the same."""
    config = folder(tmp_path / "config", ["responses/gpt-5"], seed=7)
    done = await command("check", "--config", str(config), KEY="k")
    assert done.code == 0
    assert "warning: support@v1 can never be served by responses/gpt-5: the Responses API has no seed" in done.out
