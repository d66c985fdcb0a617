"""What the doctor says of a target, over real sockets: each failure in a sentence, with the remedy."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.config import load
from gateway.doctor import Diagnosis, Examined, examine
from gateway.formats.registry import PROVIDERS
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.listening import listening
from tests.support.running import provider, write

pytestmark = pytest.mark.socket
KEY = "sk-planted-0123456789"
GONE = {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "H"}, "finish_reason": "length"}]}


def configuration(folder: Path, entry: Mapping[str, Any], store: str = "redis://127.0.0.1:1") -> Path:
    """One agent at one provider, with a store that nobody serves."""
    return write(
        folder,
        {
            "gateway.yaml": {"providers": {"p": entry}, "store": store},
            "routing.yaml": {"agents": {"a": {"stable": "v1"}}},
            "agents/a/v1.yaml": {"model": "p/m"},
        },
    )


async def examined(folder: Path, entry: Mapping[str, Any], seconds: float = 10, **environ: str) -> Examined:
    variables = {"P_KEY": KEY, **environ}
    return await examine(load(configuration(folder, entry), variables), variables, seconds)


async def diagnosis(folder: Path, entry: Mapping[str, Any], seconds: float = 10, **environ: str) -> Diagnosis:
    """What is found about the one target."""
    found = (await examined(folder, entry, seconds, **environ)).diagnoses
    return next(each for each in found if each.subject == "p/m")


@asynccontextmanager
async def answering(status: int, body: object, date: float | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The base URL of a server that answers everybody so, and the requests that it got."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        clock = b"" if date is None else b"date: %s\r\n" % formatdate(date, usegmt=True).encode()
        writer.write(b"HTTP/1.1 %d X\r\n%scontent-length: %d\r\n\r\n%s" % (status, clock, len(text), text))

    async with listening(answer) as port:
        yield f"http://127.0.0.1:{port}/v1", seen


@pytest.mark.parametrize("api", [name for name in PROVIDERS if name != "bedrock"])
async def test_every_format_is_asked_for_one_token(tmp_path: Path, api: str) -> None:
    """The stand-in answers the smallest call of each format, and the answer is priced where its price is known."""
    async with provider(KEY) as standin:
        path = urlsplit(PROVIDERS[api].facts.base_url).path
        url = standin.base_url.removesuffix("/v1") + path
        found = await diagnosis(tmp_path, {"api": api, "base_url": url, "api_key": "${P_KEY}"})
    assert (found.state, found.message, found.do) == ("well", "answers", ""), found


@pytest.mark.parametrize(
    ("status", "body", "state", "words"),
    [
        (401, {"error": {"message": "Incorrect API key"}}, "broken", "refuses the key (HTTP 401: Incorrect API key)"),
        (403, {"error": {"message": "no access"}}, "broken", "does not let the key use it (HTTP 403: no access)"),
        (402, {"error": {"message": "pay"}}, "broken", "has no credit left on the account of its key (HTTP 402: pay)"),
        (429, {"error": {"message": "You exceeded your current quota"}}, "broken", "has no credit left on the account"),
        (429, {"error": {"message": "slow down"}}, "doubtful", "is at its rate limit (HTTP 429: slow down)"),
        (404, GONE, "broken", "does not offer the model 'm' to this account (HTTP 404: The model `m` does not exist)"),
        (404, "<h1>Not   Found</h1>", "broken", "has no such address (HTTP 404: Not Found)"),
        (302, "", "broken", "has no such address (HTTP 302)"),
        (400, {"detail": "bad"}, "broken", "refuses the smallest call (HTTP 400: bad)"),
        (
            400,
            {"error": {"message": "max_tokens or model output limit was reached"}},
            "well",
            "answers, and would need",
        ),
        (503, {"error": {"message": "busy"}}, "doubtful", "fails at its own side (HTTP 503: busy)"),
        (200, "<html>welcome</html>", "broken", "answers, but not as its API does"),
        (200, {"error": {"message": "no"}}, "broken", "answers, but not as its API does: "),
        (200, ANSWER, "well", "answers"),
    ],
)
async def test_an_answer_says_what_is_wrong(tmp_path: Path, status: int, body: object, state: str, words: str) -> None:
    """Key, account, model, address and provider are told apart; every fault comes with what to do."""
    async with answering(status, body) as (url, _):
        found = await diagnosis(tmp_path, {"api": "openai", "base_url": url, "api_key": "${P_KEY}"})
    assert found.state == state and found.message.startswith(words), found
    assert bool(found.do) == (state != "well")


async def test_a_refused_key_names_its_variable(tmp_path: Path) -> None:
    """So that nobody looks for it in a file; the key itself stands nowhere, though the provider quotes it."""
    async with answering(401, {"error": {"message": f"wrong key {KEY}"}}) as (url, _):
        found = await diagnosis(tmp_path, {"api": "openai", "base_url": url, "api_key": "${P_KEY}"})
    assert found.do.startswith("check the variable P_KEY: ")
    assert KEY not in str(found)


async def test_a_provider_that_wants_a_key(tmp_path: Path) -> None:
    """Where none is configured, that is the remedy."""
    async with answering(401, {"error": {"message": "no key"}}) as (url, _):
        found = await diagnosis(tmp_path, {"api": "openai", "base_url": url})
    assert found.message.startswith("wants a key, and none is configured")
    assert found.do == "write api_key: ${NAME} for p"


async def test_a_server_that_is_not_running(tmp_path: Path) -> None:
    """The remedy is to start it, or to correct host and port."""
    found = await diagnosis(tmp_path, {"api": "openai", "base_url": "http://127.0.0.1:1/v1"})
    assert (found.state, found.message) == ("broken", "cannot be reached: connections to it are refused")
    assert found.do == "start the server, or check host and port of base_url (http://127.0.0.1:1/v1)"


async def test_a_port_that_does_not_speak_tls(tmp_path: Path) -> None:
    """An https address of a plain server is a matter of the scheme."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with listening(refuse) as port:
        found = await diagnosis(tmp_path, {"api": "openai", "base_url": f"https://127.0.0.1:{port}/v1"})
    assert found.message == "cannot be reached: it does not speak TLS as configured"
    assert found.do.startswith("check http or https in base_url")


async def test_a_proxy_that_is_not_there(tmp_path: Path) -> None:
    """A failure on the way through a proxy is the proxy's."""
    entry = {"api": "openai", "base_url": "http://h.invalid/v1", "transport": "standard", "proxy": "http://127.0.0.1:1"}
    found = await diagnosis(tmp_path, entry)
    assert found.message.startswith("is not reached through its proxy: ")


async def test_a_server_that_says_nothing_takes_bounded_time(tmp_path: Path) -> None:
    """Each target has its time limit, and says so."""

    async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(say_nothing) as port:
        found = await diagnosis(tmp_path, {"api": "openai", "base_url": f"http://127.0.0.1:{port}/v1"}, 0.2)
    assert found.message == "did not answer within 0.2 s"


async def test_a_clock_that_is_wrong(tmp_path: Path) -> None:
    """The providers' answers tell the time."""
    async with answering(200, ANSWER, date=time() + 3600) as (url, _):
        found = (await examined(tmp_path, {"api": "openai", "base_url": url})).diagnoses
    clock = next(each for each in found if each.subject == "clock")
    assert clock.state == "broken" and clock.message.startswith("this machine's clock is -3")


async def test_an_unused_provider_is_not_asked(tmp_path: Path) -> None:
    """Nothing is paid for what no call uses; the report says so."""
    async with answering(200, ANSWER) as (url, seen):
        configuration(tmp_path, {"api": "openai", "base_url": url})
        write(tmp_path, {"gateway.yaml": {"providers": {n: {"api": "openai", "base_url": url} for n in ("p", "q")}}})
        report = await examine(load(tmp_path, {}), {}, 10)
    assert (report.calls, len(seen)) == (1, 1)
    assert [each.message for each in report.diagnoses if each.subject == "q"] == [
        "is the provider of no version, fallback or named model, and was not asked"
    ]


@asynccontextmanager
async def starred(folder: Path, status: int, body: object, **entry: str) -> AsyncIterator[tuple[Examined, bytes]]:
    """What is found where calls reach a second provider by `q/*` alone, and what it was asked."""
    async with answering(200, ANSWER) as (url, _), answering(status, body) as (other, seen):
        place = configuration(folder, {"api": "openai", "base_url": url})
        q = {"api": "openai", "base_url": other, "api_key": "${P_KEY}", **entry}
        settings = json.loads((place / "gateway.yaml").read_text())
        providers = {**settings["providers"], "q": q}
        write(place, {"gateway.yaml": {**settings, "providers": providers, "models": ["q/*", "p/*"]}})
        found = await examine(load(place, {"P_KEY": KEY}), {"P_KEY": KEY}, 10)
        yield found, b"".join(seen)


@pytest.mark.parametrize(
    ("status", "body", "state", "words"),
    [
        (200, {"data": [{"id": "m"}]}, "well", "answers"),
        (401, {"error": {"message": "wrong"}}, "broken", "refuses the key (HTTP 401: wrong)"),
        (403, {"error": {"message": "no"}}, "broken", "does not let the key use it"),
        (404, {"detail": "Not Found"}, "doubtful", "does not say whether its key is right (HTTP 404)"),
        (503, {"error": {"message": "busy"}}, "doubtful", "fails at its own side"),
    ],
)
async def test_a_provider_behind_a_star_is_asked_for_its_models(
    tmp_path: Path, status: int, body: object, state: str, words: str
) -> None:
    """A wrong key is found before the first call, and the question costs nothing."""
    async with starred(tmp_path, status, body) as (report, asked):
        found = [each for each in report.diagnoses if each.subject.startswith("q")]
    assert [(each.subject, each.state) for each in found] == [("q/*", state)] and found[0].message.startswith(words)
    assert asked.startswith(b"GET /v1/models ") and KEY.encode() in asked
    assert report.calls == 1


async def test_a_wrong_gemini_key_behind_a_star_is_found(tmp_path: Path) -> None:
    """Its API answers 400 to it."""
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    body = {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": [reason]}}
    async with starred(tmp_path, 400, body, api="gemini") as (report, _):
        assert next(each.state for each in report.diagnoses if each.subject == "q/*") == "broken"


def test_a_public_list_proves_no_key() -> None:
    """OpenRouter names its models to everybody; its key is asked about by a path of its own."""
    facts = PROVIDERS["openai"].at("openrouter.ai").facts
    assert (facts.models_path, facts.key_path) == ("/models", "/key")
    assert PROVIDERS["openai"].at("api.openai.com").facts.key_path is None


async def test_targets_beyond_the_most_are_named(tmp_path: Path) -> None:
    """None is left out in silence, and its provider is not called unused."""
    async with answering(200, ANSWER) as (url, seen):
        place = configuration(tmp_path, {"api": "openai", "base_url": url})
        entry = {"api": "openai", "base_url": url}
        models = [f"p/m{number:03}" for number in range(210)] + ["q/last"]
        settings = {"providers": {"p": entry, "q": entry}, "models": models, "store": "redis://127.0.0.1:1"}
        write(place, {"gateway.yaml": settings})
        report = await examine(load(place, {}), {}, 10)
    said = {each.subject: each.message for each in report.diagnoses}
    assert said["targets"] == "12 of 212 were not asked, from p/m199 on" and len(seen) == report.calls == 200
    assert "q" not in said


async def test_the_cost_is_that_of_the_answers(tmp_path: Path) -> None:
    """By the same price list as the calls; unknown where a price is."""
    async with provider(None, m=ModelBehaviour()) as standin:
        entry = {"api": "openai", "base_url": standin.base_url}
        assert (await examined(tmp_path, entry)).nano_usd is None
        price = [{"target": "p/m", "from": "2026-01-01", "input": 1000, "output": 1000}]
        write(tmp_path, {"gateway.yaml": {"providers": {"p": entry}, "prices": price}})
        report = await examine(load(tmp_path, {}), {}, 10)
    assert report.nano_usd is not None and report.nano_usd > 0


async def test_plain_models_are_asked(tmp_path: Path) -> None:
    """Those that `models` spells out, and those that an alias leads to behind a star."""
    async with answering(200, ANSWER) as (url, _):
        place = configuration(tmp_path, {"api": "openai", "base_url": url, "api_key": "${P_KEY}"})
        settings = json.loads((place / "gateway.yaml").read_text())
        routing = json.loads((place / "routing.yaml").read_text())
        write(place, {"gateway.yaml": {**settings, "models": ["p/named", "p/open*"]}})
        write(place, {"routing.yaml": {**routing, "aliases": {"gpt-4": "p/open-1", "gpt-5": "a"}}})
        found = await examine(load(place, {"P_KEY": KEY}), {"P_KEY": KEY}, 10)
    assert {each.subject for each in found.diagnoses if "/" in each.subject} == {"p/m", "p/named", "p/open-1"}
