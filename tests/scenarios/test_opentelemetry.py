"""OpenTelemetry as an operator meets it: real processes, several workers, a stop, and a start that is refused."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from tests.support.calling import HELLO
from tests.support.dialects import DIALECTS, Dialect
from tests.support.otlp import HANG, OtlpReceiver, named, otlp_receiver
from tests.support.processes import SERINUS, SURROUNDINGS, Served, command, configuration, serving
from tests.support.redis_servers import until
from tests.support.running import provider, trial, write
from tests.support.waiting import SOON, within
from tests.support.workers import fleet

CALLS = 12
LATER = "600000"  # milliseconds until a batch goes out by itself


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    async with otlp_receiver() as made:
        yield made


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with provider(good=ModelBehaviour()) as made:
        yield made


async def call(served: Served, agent: str, count: int) -> set[str]:
    """Make so many calls on connections of their own; their ids."""
    text = json.dumps({"model": agent, "messages": HELLO}).encode()
    replies = [await served.ask("POST", "/v1/chat/completions", text) for _ in range(count)]
    return {reply.headers["x-serinus-call-id"] for reply in replies}


async def test_two_workers_and_a_stop(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, receiver: OtlpReceiver
) -> None:
    """Every call of both workers is exported once, what waits at a stop too."""
    folder = configuration(tmp_path, standin, agent)
    environ = receiver.environ(OTEL_BSP_SCHEDULE_DELAY=LATER, SERINUS_STORE=redis_url)
    async with fleet(folder, environ) as served:
        ids = await call(served, agent, CALLS)
        assert receiver.spans == []
        assert await served.end() == 0
    spans = await receiver.until(3 * CALLS)
    assert len(spans) == len({span.span_id for span in spans}) == 3 * CALLS
    assert {span.values["serinus.call_id"] for span in spans} == ids
    assert len({span.service["service.instance.id"] for span in spans}) == 2


async def test_stop_beside_a_receiver_that_hangs(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, receiver: OtlpReceiver
) -> None:
    """The stop waits a few seconds for a receiver, and then says what was dropped."""
    folder = configuration(tmp_path, standin, agent)
    receiver.statuses = [HANG] * 100
    async with serving(folder, receiver.environ(SERINUS_STORE=redis_url)) as served:
        await call(served, agent, 1)
        await within(SOON, lambda: receiver.heads != [])
        assert await served.end() == 0
        (dropped,) = [line for line in served.log() if line["event"] == "spans_dropped"]
        assert dropped["spans"] == 3


async def test_calls_beside_a_receiver_that_is_away(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, receiver: OtlpReceiver
) -> None:
    """Calls are served as ever; the log says once that spans wait."""
    folder = configuration(tmp_path, standin, agent)
    environ = {**receiver.environ(), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "SERINUS_STORE": redis_url}
    async with serving(folder, environ) as served:

        async def is_told() -> bool:
            await call(served, agent, 1)
            return "spans_not_exported" in [line["event"] for line in served.log()]

        await until(is_told)
        assert len(await call(served, agent, CALLS)) == CALLS
        assert [line["event"] for line in served.log()].count("spans_not_exported") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_unknown_choice_stops_the_start(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, workers: str
) -> None:
    """A name that nobody knows is told on the terminal, and nothing serves."""
    environ = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_newest"}
    folder = configuration(tmp_path, standin, agent)
    done = await command(
        "serve", "--config", str(folder), "--workers", workers, SERINUS_STORE=redis_url, **environ,
        SERINUS_LISTEN="127.0.0.1:0",
    )  # fmt: skip
    assert done.code == 2 and "'gen_ai_newest' is unknown" in done.errors


async def test_without_the_package(tmp_path: Path, redis_url: str, agent: str, standin: Standin) -> None:
    """An environment that asks for spans, where the extra is missing: the error has the line that installs it."""
    folder = configuration(tmp_path, standin, agent)
    code = "import sys; sys.modules['opentelemetry'] = None; from gateway.__main__ import main; sys.exit(main())"
    environ = {**SURROUNDINGS, "SERINUS_STORE": redis_url, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    arguments = [sys.executable, "-c", code, *SERINUS[3:], "serve", "--config", str(folder)]
    done = await asyncio.to_thread(
        subprocess.run, arguments, env={**environ, "SERINUS_LISTEN": "127.0.0.1:0"}, capture_output=True, text=True
    )
    assert done.returncode == 2 and "pip install 'serinus[otel]'" in done.stderr


async def loop_over(here: Served, there: Served, agent: str, dialect: Dialect) -> tuple[str, str]:
    """Have one gateway asked what calls a tool, and bring its result to the other; the ids of both calls."""
    path, asked = dialect.path(agent, False), dialect.ask(agent, "call look_up", False)
    first = await here.ask("POST", path, json.dumps(asked).encode())
    second = await there.ask("POST", path, json.dumps(dialect.after(asked, json.loads(first.body))).encode())
    return first.headers["x-serinus-call-id"], second.headers["x-serinus-call-id"]


async def test_tools_over_two_gateways(
    tmp_path: Path, redis_url: str, agent: str, standin: Standin, receiver: OtlpReceiver
) -> None:
    """A tool that one gateway's answer asked for, and whose result came to the other, is one span below that answer."""
    folder, environ = configuration(tmp_path, standin, agent), receiver.environ(SERINUS_STORE=redis_url)
    async with serving(folder, environ, "one") as one, serving(folder, environ, "other") as other:
        both = [(here, there) for here, there in ((one, other), (other, one)) for _ in DIALECTS]
        loops = zip(both, [*DIALECTS.values()] * 2, strict=True)
        ids = [await loop_over(here, there, agent, dialect) for (here, there), dialect in loops]
        spans = await receiver.until(7 * len(ids))
    tools = {span.values["serinus.call_id"]: span for span in spans if span.name == "execute_tool look_up"}
    for asking, bringing in ids:
        (chat,) = [each for each in receiver.of("INTERNAL") if each.span_id == tools[asking].parent_id]
        (server,) = [each for each in receiver.of("SERVER") if each.values["serinus.call_id"] == bringing]
        assert chat.values["serinus.call_id"] == asking and chat.trace_id == tools[asking].trace_id
        assert tools[asking].seconds == pytest.approx((chat.seconds[1], server.seconds[0]), abs=0.005)
        assert chat.service["service.instance.id"] != tools[asking].service["service.instance.id"]
    assert len(spans) == 7 * len(ids) and len(tools) == len(ids)


ROWS = {  # attributes of each kind of span, of the calls below
    "SERVER": {
        "http.request.method", "http.route", "url.path", "url.scheme", "http.response.status_code", "error.type",
        "serinus.call_id",
    },
    "chat": {
        "gen_ai.operation.name", "gen_ai.agent.name", "gen_ai.agent.id", "gen_ai.agent.version",
        "gen_ai.conversation.id", "serinus.call_id", "serinus.version", "serinus.arm", "serinus.reason",
        "serinus.epoch", "serinus.key", "serinus.end", "serinus.cost_usd", "serinus.first_token_seconds", "error.type",
    },
    "CLIENT": {
        "gen_ai.operation.name", "gen_ai.provider.name", "server.address", "server.port", "gen_ai.request.model",
        "gen_ai.request.temperature", "gen_ai.request.max_tokens", "gen_ai.request.stop_sequences",
        "gen_ai.request.stream", "gen_ai.response.model", "gen_ai.response.id", "gen_ai.response.finish_reasons",
        "gen_ai.response.time_to_first_chunk", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens", "error.type", "http.response.status_code", "serinus.fallback",
        "serinus.target", "serinus.call_id", "serinus.cost_usd",
    },
    "execute_tool": {
        "gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.tool.call.id", "gen_ai.tool.type", "serinus.derived",
        "serinus.call_id",
    },
    "evaluate": {
        "gen_ai.evaluation.name", "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label", "serinus.call_id",
    },
}  # fmt: skip
OTHERS = {"serinus.tokens_estimated", "serinus.upstream_request_id", "serinus.error_code"}


async def test_every_row_over_two_workers(tmp_path: Path, redis_url: str, agent: str, receiver: OtlpReceiver) -> None:
    """A trial with a failing canary, a fallback, a stream, a tool and a score has what docs/tracing.md lists."""
    working, failing = ModelBehaviour(cached_tokens=2), ModelBehaviour(error_rate=1.0, status=500)
    async with provider(good=working, bad=failing, spare=working) as standin:
        prices = [
            {"target": f"standin/{name}", "from": "2026-01-01", "input": 1, "output": 1} for name in ("good", "spare")
        ]
        files = trial(agent, standin, fallback=["standin/spare"])
        files["gateway.yaml"] = {**files["gateway.yaml"], "prices": prices}  # type: ignore[dict-item]
        folder = write(tmp_path / "config", files)
        async with fleet(folder, receiver.environ(SERINUS_STORE=redis_url)) as served:
            dialect = DIALECTS["openai"]
            asked = {"temperature": 0.5, "max_tokens": 50, "stop": ["END"]}
            for number in range(CALLS):
                one = {**dialect.ask(agent, "call look_up", False), **asked, "user": str(number)}
                reply = await served.ask("POST", "/v1/chat/completions", json.dumps(one).encode())
                after = {**dialect.after(one, json.loads(reply.body)), "stream": True}
                await served.ask("POST", "/v1/chat/completions", json.dumps(after).encode())
                score = {"call_id": reply.headers["x-serinus-call-id"], "score": 0.5}
                await served.ask("POST", "/v1/feedback", json.dumps(score).encode())
            standin.behave("spare", failing)
            await call(served, f"{agent}@v2", 1)
            assert await served.end() == 0
    seen = {kind: set[str]() for kind in ROWS}
    for span in receiver.spans:
        seen[span.kind if span.kind != "INTERNAL" else span.name.split()[0]].update(span.values)
    assert {kind: sorted(ROWS[kind] - seen[kind]) for kind in ROWS} == {kind: [] for kind in ROWS}
    assert {kind: sorted(seen[kind] - ROWS[kind] - OTHERS) for kind in ROWS} == {kind: [] for kind in ROWS}


@pytest.mark.parametrize("sampled", ["01", "00"])
async def test_score_at_another_gateway(
    tmp_path: Path, redis_url: str, agent: str, receiver: OtlpReceiver, sampled: str
) -> None:
    """Below the call's span in the client's trace; a client that does not sample sees those of failed calls alone."""
    async with provider(good=ModelBehaviour(error_rate=1.0, status=500), spare=ModelBehaviour()) as standin:
        files = trial(agent, standin)
        files["routing.yaml"] = {"agents": {agent: {"stable": "v1", "fallback": ["standin/spare"]}}}
        folder, environ = write(tmp_path / "config", files), receiver.environ(SERINUS_STORE=redis_url)
        async with serving(folder, environ, "one") as one, serving(folder, environ, "other") as other:
            text = json.dumps({"model": agent, "messages": HELLO}).encode()
            headers = (f"traceparent: 00-{'ab' * 16}-{'cd' * 8}-{sampled}",)
            reply = await one.ask("POST", "/v1/chat/completions", text, headers)
            score = json.dumps({"call_id": reply.headers["x-serinus-call-id"], "score": 1}).encode()
            assert (await other.ask("POST", "/v1/feedback", score)).status == 200
            await within(SOON, lambda: "evaluate feedback" in {span.name for span in receiver.spans})
    chat, scored = named(receiver.spans, f"chat {agent}"), named(receiver.spans, "evaluate feedback")
    assert (scored.trace_id, scored.parent_id) == ("ab" * 16, chat.span_id)
