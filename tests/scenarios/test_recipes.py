"""Recipes that compare variants, run as they are written, with the stand-in in the provider's place."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from gateway.rehearsal.standin import Standin
from tests.support.calling import HELLO
from tests.support.recipes import folder_of
from tests.support.running import Running, provider, running, write

PROMPT = "You help customers of a book shop. Be brief."


@asynccontextmanager
async def cooked(title: str, folder: Path, redis_url: str, agent: str) -> AsyncIterator[tuple[Running, Standin]]:
    """A gateway with the recipe's files; only the provider's address, the keys and the agent's name are others."""
    async with provider() as standin:
        at_the_stand_in = f"openai: {{base_url: {standin.base_url}}}"
        files = {
            name.replace("support", agent): text.replace("support", agent) for name, text in folder_of(title).items()
        }
        gateway = files["gateway.yaml"].replace("openai: {}", at_the_stand_in)
        files["gateway.yaml"] = re.sub(r"(?s)keys:.*", "", gateway)
        async with running(write(folder, files), redis_url, {"OPENAI_API_KEY": "sk-planted"}) as served:
            yield served, standin


async def call(http: httpx2.AsyncClient, served: Running, model: str, **members: str) -> httpx2.Response:
    return await http.post(f"{served.base_url}/chat/completions", json={"model": model, "messages": HELLO, **members})


def asked(standin: Standin) -> list[tuple[str, str]]:
    """The model and the system prompt of each request at the provider."""
    bodies = [json.loads(each.body) for each in standin.requests if each.method == "POST"]
    return [(body["model"], body["messages"][0]["content"]) for body in bodies]


async def test_half_and_half(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Two models under one prompt: half of the users each, and every user stays."""
    async with (
        cooked("Compare two models, half and half", tmp_path, redis_url, agent) as (served, standin),
        httpx2.AsyncClient() as http,
    ):
        versions: dict[str, str] = {}
        for user in [f"user-{number}" for number in range(60)] * 2:
            version = (await call(http, served, agent, user=user)).headers["x-serinus-version"]
            assert versions.setdefault(user, version) == version
        status = (await http.get(f"{served.url}/status/{agent}")).json()
    assert Counter(versions.values()).keys() == {"v1", "v2"} and min(Counter(versions.values()).values()) > 12
    assert set(asked(standin)) == {("gpt-5.4", PROMPT), ("gpt-5.4-mini", PROMPT)}
    assert status["agents"][agent]["weight"] == 0.5


async def test_more_than_two_variants(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Each name that the app draws is served by its agent, and counted apart; no verdict is given."""
    async with (
        cooked("Compare more than two variants", tmp_path, redis_url, agent) as (served, standin),
        httpx2.AsyncClient() as http,
    ):
        served_by = [(await call(http, served, f"variant-{each}")).headers["x-serinus-agent"] for each in "abc"]
        agents = (await http.get(f"{served.url}/status")).json()["agents"]
    assert served_by == [agent, f"{agent}-mini", f"{agent}-nano"]
    assert asked(standin) == [(model, PROMPT) for model in ("gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano")]
    assert all(agents[name]["canary"] is None for name in served_by)
