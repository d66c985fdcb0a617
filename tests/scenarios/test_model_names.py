"""From an app that names a model to its first canary: another `base_url`, then one file and two lines."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.rehearsal.standin import Standin
from tests.support.clients import SAID, run_at
from tests.support.processes import Served, serving
from tests.support.redis_servers import until
from tests.support.running import provider, write

NAMES = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "google": "gemini-2.5-pro", "conversations": 0}
EXACT = ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"]


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider() as standin:
        yield standin


def files(standin: Standin, models: list[str]) -> dict[str, object]:
    """Three accounts, and no agent."""
    bases = {"openai": standin.base_url, "anthropic": standin.base_url, "gemini": f"{standin.root_url}/v1beta"}
    providers = {name: {"api": name, "base_url": url} for name, url in bases.items()}
    return {"gateway.yaml": {"providers": providers, "models": models}, "routing.yaml": "agents: {}\n"}


async def reloaded(served: Served, changes: dict[str, object]) -> None:
    """Edit files, and wait until they are in use."""
    before = len([line for line in served.log() if line["event"] == "configuration"])
    write(served.out.parent / "config", changes)

    async def is_in_use() -> bool:
        return len([line for line in served.log() if line["event"] == "configuration"]) > before

    await until(is_in_use)


async def asked(served: Served, conversations: int = 0) -> Any:
    return await run_at("with_model_names.py", served.url, json.dumps({**NAMES, "conversations": conversations}))


@pytest.mark.parametrize("models", [EXACT, ["openai/gpt-*", "anthropic/claude-*", "gemini/*"]], ids=["exact", "open"])
async def test_another_base_url_is_enough(tmp_path: Path, redis_url: str, standin: Standin, models: list[str]) -> None:
    """Three SDKs go on naming their models, before anybody has written an agent; each is served by its provider."""
    write(tmp_path / "config", files(standin, models))
    async with serving(tmp_path / "config", {"SERINUS_STORE": redis_url}) as served:
        found = await asked(served)
        for sdk, target in zip(("chat", "anthropic", "google"), EXACT, strict=True):
            assert found[sdk] == [SAID, target, None]
        assert (found["streamed"], found["responses"]) == (SAID, [SAID, EXACT[0], None])
        assert (found["retrieved"], found["error"]) == ("gpt-4o", "model_not_found" if models is EXACT else "")
        if models is EXACT:
            assert found["listed"] == [EXACT, EXACT, [f"models/{name}" for name in EXACT]]
        assert {*EXACT} <= {*(await served.status()).models}


async def test_the_first_canary_is_one_file_and_two_lines(tmp_path: Path, redis_url: str, standin: Standin) -> None:
    """The app that was served by a plain model goes on unchanged, and a twentieth of its conversations try a prompt."""
    write(tmp_path / "config", files(standin, EXACT))
    async with serving(tmp_path / "config", {"SERINUS_STORE": redis_url}) as served:
        assert (await asked(served, 3))["versions"] == {"null": 3}
        await reloaded(
            served,
            {
                "agents/gpt-4o/v2.yaml": "model: openai/gpt-4o\nsystem_prompt: Answer in one sentence.\n",
                "routing.yaml": "agents:\n  gpt-4o: {stable: openai/gpt-4o, canary: v2, weight: 5%}\n",
            },
        )

        async def is_on_trial() -> bool:
            return (await served.status()).agents["gpt-4o"].phase == "running"

        await until(is_on_trial)
        found = await asked(served, 300)
        assert found["versions"].keys() == {"openai/gpt-4o", "v2"} and found["versions"]["v2"] < 60
        assert found["chat"][0] == found["streamed"] == SAID
        assert any(b"one sentence" in each.raw_body for each in standin.requests)


async def test_an_alias_gives_a_models_name_to_an_agent(tmp_path: Path, redis_url: str, standin: Standin) -> None:
    """One edit, for the apps of all three SDKs; the same agent then begins its trial with two lines."""
    start = files(standin, EXACT)
    aliases = {name: "support" for sdk, name in NAMES.items() if sdk != "conversations"}
    write(tmp_path / "config", {**start, "agents/support/v1.yaml": "model: openai/gpt-4o\n"})
    async with serving(tmp_path / "config", {"SERINUS_STORE": redis_url}) as served:
        await reloaded(served, {"routing.yaml": {"agents": {"support": {"stable": "v1"}}, "aliases": aliases}})
        found = await asked(served)
        for sdk in ("chat", "responses", "anthropic", "google"):
            assert found[sdk] == [SAID, "openai/gpt-4o", "v1"]
        assert {*aliases} <= {*found["listed"][0]} and found["listed"][0] == found["listed"][1]
