"""Spans of every client's format and every provider's, whole and streamed, and of what stands beside a call."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.formats.registry import PROVIDERS as PROVIDER_SIDES
from gateway.rehearsal.standin import ModelBehaviour
from gateway.telemetry.semantic_names import provider_at
from tests.support.calling import PROVIDERS, Place
from tests.support.dialects import DIALECTS
from tests.support.faulty_store import stall
from tests.support.otlp import QUICK, OtlpReceiver, named

Serve = Callable[..., Awaitable[Place]]
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
PARAMETERS = {
    "gemini": {"generationConfig": {"temperature": 0.5}},
    "gemini-interactions": {"generation_config": {"temperature": 0.5}},
}
ROUTES = {"gemini": "/v1beta/models/{agent}:generateContent"}
STREAM_ROUTES = {"gemini": "/v1beta/models/{agent}:streamGenerateContent"}
NAMES = {
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "gemini-interactions": "gcp.gemini",
}


@pytest.mark.parametrize("client", DIALECTS)
async def test_client(serve: Serve, receiver: OtlpReceiver, client: str) -> None:
    """Its route, its usage and its tools are in the spans, and its trace goes on."""
    here, dialect = await serve(seams=receiver.seams()), DIALECTS[client]
    url = here.running.url + dialect.path(here.agent, False)
    asked = {**dialect.ask(here.agent, "call look_up", False), **PARAMETERS.get(client, {"temperature": 0.5})}
    answer = (await here.http.post(url, json=asked, headers=SAMPLED)).json()
    await here.http.post(url, json=dialect.after(asked, answer), headers=SAMPLED)
    spans = await receiver.until(7)
    route = ROUTES.get(client) or dialect.path(here.agent, False)
    assert {span.name for span in receiver.of("SERVER")} == {f"POST {route}"}
    assert {span.trace_id for span in spans} == {TRACE}
    tool, asking = named(spans, "execute_tool look_up"), min(receiver.of("INTERNAL"), key=lambda span: span.seconds)
    assert tool.parent_id == asking.span_id and tool.seconds[0] == pytest.approx(asking.seconds[1], abs=0.001)
    assert all(span.values["gen_ai.usage.output_tokens"] > 0 for span in receiver.of("CLIENT"))
    assert max(span.values.get("gen_ai.request.temperature", 0) for span in receiver.of("CLIENT")) == 0.5


@pytest.mark.parametrize("client", DIALECTS)
async def test_stream(serve: Serve, receiver: OtlpReceiver, client: str) -> None:
    """A stream's spans end with its last byte, and have its usage."""
    here, dialect = await serve(seams=receiver.seams()), DIALECTS[client]
    here.standin.behave("good", ModelBehaviour(chunk_seconds=0.02))
    url = here.running.url + dialect.path(here.agent, True)
    await here.http.post(url, json=dialect.ask(here.agent, "hello", True), headers=SAMPLED)
    spans = await receiver.until(3)
    attempt, server = named(spans, "chat good"), receiver.of("SERVER")[0]
    route = STREAM_ROUTES.get(client) or dialect.path(here.agent, True)
    assert server.values["url.path"] == dialect.path(here.agent, True).partition("?")[0]
    assert (server.name, server.values["http.route"], server.values["url.scheme"]) == (f"POST {route}", route, "http")
    assert attempt.values["gen_ai.request.stream"] and attempt.values["gen_ai.response.model"] == "good"
    assert attempt.values["gen_ai.usage.output_tokens"] == 8
    assert server.seconds[1] - server.seconds[0] > attempt.values["gen_ai.response.time_to_first_chunk"] > 0
    assert dict(here.received().headers)["traceparent"] == f"00-{TRACE}-{attempt.span_id}-01"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", PROVIDERS)
async def test_provider(serve: Serve, receiver: OtlpReceiver, api: str, stream: bool) -> None:
    """The conventions' name of the provider, and a parent of its own in whichever format it is asked."""
    here = await serve(seams=receiver.seams(), api=api)
    await here.chat(headers=SAMPLED, stream=stream)
    spans = await receiver.until(3)
    attempt = named(spans, "chat good")
    assert attempt.values["gen_ai.provider.name"] == NAMES[api]
    assert attempt.values["gen_ai.response.model"] == "good" and attempt.values["gen_ai.response.id"]
    assert dict(here.received().headers)["traceparent"] == f"00-{TRACE}-{attempt.span_id}-01"


def test_names_of_providers() -> None:
    """Every format names one; a host that is known as somebody's own goes before it."""
    assert {side.facts.semantic_name for side in PROVIDER_SIDES.values()} == {*NAMES.values(), "aws.bedrock"}
    assert provider_at("birds.openai.azure.com", "openai") == "azure.ai.openai"
    assert provider_at("api.x.ai", "openai") == "x_ai" and provider_at("api.xx.ai", "openai") == "openai"


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/embeddings", {"input": "hello"}, "embeddings good"),
        ("/completions", {"prompt": "hello"}, "text_completion good"),
    ],
)
async def test_plainer_endpoints(
    serve: Serve, receiver: OtlpReceiver, path: str, body: dict[str, Any], name: str
) -> None:
    """They are operations of their own."""
    here = await serve(seams=receiver.seams())
    await here.http.post(here.base_url + path, json={"model": here.agent, **body})
    spans = await receiver.until(3)
    assert named(spans, name).kind == "CLIENT" and receiver.of("SERVER")[0].name == f"POST /v1{path}"


async def test_plain_model(serve: Serve, receiver: OtlpReceiver) -> None:
    """A call that names a model has no agent in its spans."""
    here = await serve(seams=receiver.seams(), gateway={"models": ["standin/*"]})
    await here.chat(model="standin/spare")
    spans = await receiver.until(3)
    chat = named(spans, "chat standin/spare")
    assert "gen_ai.agent.name" not in chat.values and chat.values["serinus.reason"] == "model"


async def test_hedge(serve: Serve, receiver: OtlpReceiver) -> None:
    """Two tries side by side, each with a parent of its own; the overtaken one is no error."""
    hedge = {"after": "20ms", "budget": "50%"}
    here = await serve(seams=receiver.seams(), routing={"fallback": ["standin/spare"], "hedge": hedge})
    here.standin.behave("good", ModelBehaviour(latency_seconds=5.0))
    await here.chat(headers=SAMPLED)
    spans = await receiver.until(4)
    slow, fast = named(spans, "chat good"), named(spans, "chat spare")
    assert (slow.values["serinus.hedge"], fast.values["serinus.hedge"]) == ("first", "won")
    assert not slow.is_error and "serinus.fallback" not in fast.values
    assert slow.seconds[1] >= fast.seconds[1] > fast.seconds[0] > slow.seconds[0]
    sent = {dict(each.headers)["traceparent"].split("-")[2] for each in here.standin.requests}
    assert sent == {slow.span_id, fast.span_id}


async def test_shadow(serve: Serve, receiver: OtlpReceiver) -> None:
    """A copy hangs below the request that was copied, under ids of its own."""
    here = await serve(
        seams=receiver.seams(),
        routing={"shadow": {"version": "v9", "sample": "100%"}},
        files={"v9.yaml": {"model": "standin/shadow"}},
    )
    await here.chat(headers=SAMPLED)
    spans = await receiver.until(5)
    copy, (server,) = named(spans, "chat shadow"), receiver.of("SERVER")
    (parent,) = [span for span in spans if span.span_id == copy.parent_id]
    assert parent.values["serinus.reason"] == "shadow" and parent.parent_id == server.span_id
    assert len({span.span_id for span in spans}) == 5 and {span.trace_id for span in spans} == {TRACE}


async def test_escalated_call(serve: Serve, receiver: OtlpReceiver) -> None:
    """A conversation that goes to people is exported whatever the client's sampling says."""
    here = await serve(seams=receiver.seams(), routing={"fallback": ["human"]})
    here.standin.behave("good", ModelBehaviour(error_rate=1, status=500))
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-00"}
    await here.chat(headers=headers)
    spans = await receiver.until(3)
    assert named(spans, f"chat {here.agent}").values["serinus.end"] == "escalated"


async def test_store_away(serve: Serve, receiver: OtlpReceiver) -> None:
    """Spans do not wait for the store."""
    here = await serve(seams=receiver.seams())
    with here.running.store.faulty("keep_calls", "flush", "read", fault=stall):
        await here.chat()
        assert len(await receiver.until(3)) == 3


async def test_full_queue(serve: Serve, receiver: OtlpReceiver) -> None:
    """What does not fit is dropped and counted; the calls are served."""
    variables = {"OTEL_BSP_MAX_QUEUE_SIZE": "2", "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    here = await serve(seams=receiver.seams(QUICK, **variables))
    tracing: Any = here.running.gateway.services.proxy.recorder.tracing
    receiver.statuses = [503] * 100
    answers = [await here.chat() for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 12
    assert tracing.dropped["queue_full"] >= 4
