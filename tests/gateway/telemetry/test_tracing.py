"""Spans of calls as a real OTLP receiver gets them from a running gateway."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway import __version__
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.calling import HELLO, PROVIDER_KEY, Place, eventually, failing
from tests.support.otlp import OtlpReceiver, named

Serve = Callable[..., Awaitable[Place]]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
LOOK_UP: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
CALL_IT: Any = [{"role": "user", "content": "call look_up"}]
PRICE = {"target": "standin/good", "from": "2026-01-01", "input": 1, "output": 2}


async def test_tree_of_a_call(serve: Serve, receiver: OtlpReceiver) -> None:
    """Three spans of one trace: the request, the agent's answer below it, and the provider's below that."""
    here = await serve(seams=receiver.seams(OTEL_SERVICE_NAME="birds", OTEL_RESOURCE_ATTRIBUTES="team=a%20b"))
    answer = await here.chat()
    spans = await receiver.until(3)
    server = named(spans, "POST /v1/chat/completions")
    chat, attempt = named(spans, f"chat {here.agent}"), named(spans, "chat good")
    assert (server.kind, chat.kind, attempt.kind) == ("SERVER", "INTERNAL", "CLIENT")
    assert (server.parent_id, chat.parent_id, attempt.parent_id) == ("", server.span_id, chat.span_id)
    assert len({span.trace_id for span in spans}) == 1
    assert {span.values["serinus.call_id"] for span in spans} == {answer.headers["x-serinus-call-id"]}
    assert server.service["service.name"] == "birds" and server.service["team"] == "a b"
    assert server.service["service.version"] == __version__ and server.schema.endswith("/1.41.0")


async def test_attributes_of_a_call(serve: Serve, receiver: OtlpReceiver) -> None:
    """Who was called, what it took and what it cost, by the names of the conventions."""
    here = await serve(seams=receiver.seams(), gateway={"prices": [PRICE]})
    await here.chat(headers={"x-conversation-id": "c-7"}, stream=True)
    spans = await receiver.until(3)
    chat, attempt = named(spans, f"chat {here.agent}").values, named(spans, "chat good").values
    assert chat["gen_ai.agent.name"] == here.agent and chat["gen_ai.agent.version"] == "v1"
    assert chat["gen_ai.conversation.id"] == "c-7" and chat["serinus.reason"] == "split"
    assert attempt["gen_ai.provider.name"] == "openai" and attempt["gen_ai.request.model"] == "good"
    assert attempt["gen_ai.usage.output_tokens"] == 8 and attempt["gen_ai.usage.input_tokens"] > 0
    assert attempt["serinus.cost_usd"] > 0 and attempt["gen_ai.response.finish_reasons"] == ["stop"]
    assert attempt["server.address"] == "127.0.0.1" and attempt["http.response.status_code"] == 200
    assert attempt["gen_ai.request.stream"] is True and attempt["gen_ai.response.time_to_first_chunk"] > 0


async def test_latest_names(serve: Serve, receiver: OtlpReceiver) -> None:
    """The newer conventions are chosen by the standard's variable."""
    here = await serve(seams=receiver.seams(OTEL_SEMCONV_STABILITY_OPT_IN="http,gen_ai_latest_experimental"))
    await here.chat()
    spans = await receiver.until(3)
    assert "gen_ai.agent.id" not in named(spans, f"chat {here.agent}").values


async def test_fallback(serve: Serve, receiver: OtlpReceiver) -> None:
    """Each try is a span; the failed one says why, and the call that a fallback saved is no error."""
    here = await serve(seams=receiver.seams(), routing={"fallback": ["standin/spare"]})
    here.standin.behave("good", failing("status", status=503))
    await here.chat()
    spans = await receiver.until(4)
    first, second = named(spans, "chat good"), named(spans, "chat spare")
    assert first.is_error and first.values["error.type"] == "503" and "serinus.fallback" not in first.values
    assert not second.is_error and second.values["serinus.fallback"] is True
    assert first.seconds[1] <= second.seconds[0]
    assert not any(span.is_error for span in receiver.of("SERVER") + receiver.of("INTERNAL"))


async def test_what_was_never_sent_is_no_span(serve: Serve, receiver: OtlpReceiver) -> None:
    """A target behind an open circuit is not asked: nothing happened there that could have taken time."""
    here = await serve(seams=receiver.seams(), routing={"fallback": ["standin/spare"]})
    here.standin.behave("good", failing("status", status=503))
    ids = [(await here.chat()).headers["x-serinus-call-id"] for _ in range(8)]
    await receiver.until(5 * 4 + 3 * 3)  # five failures open the circuit
    spans = [*receiver.of("CLIENT"), *receiver.of("SERVER")]
    asked = {each: {span.name for span in spans if span.values["serinus.call_id"] == each} for each in ids}
    door = "POST /v1/chat/completions"
    assert asked[ids[0]] == {door, "chat good", "chat spare"} and asked[ids[-1]] == {door, "chat spare"}


async def test_failed_call(serve: Serve, receiver: OtlpReceiver) -> None:
    """A call that fails is an error at each level."""
    here = await serve(seams=receiver.seams())
    here.standin.behave("good", failing("status", status=500))
    await here.chat()
    spans = await receiver.until(3)
    assert all(span.is_error and span.values["error.type"] == "500" for span in spans)


async def test_trace_goes_on(serve: Serve, receiver: OtlpReceiver) -> None:
    """A client's trace is continued: the provider's parent is the attempt's span, and `tracestate` stays."""
    here = await serve(seams=receiver.seams())
    client = here.sdk(default_headers={"traceparent": SAMPLED, "tracestate": "a=b"})
    await client.chat.completions.create(model=here.agent, messages=HELLO)
    spans = await receiver.until(3)
    sent = {name.lower(): value for name, value in here.received().headers}
    attempt = named(spans, "chat good")
    assert sent["traceparent"] == f"00-{TRACE}-{attempt.span_id}-01" and sent["tracestate"] == "a=b"
    assert {span.trace_id for span in spans} == {TRACE} and receiver.of("SERVER")[0].parent_id == PARENT


@pytest.mark.parametrize("given", [{}, {"traceparent": f"00-{'0' * 32}-{PARENT}-01"}, {"traceparent": "nonsense"}])
async def test_trace_begins(serve: Serve, receiver: OtlpReceiver, given: dict[str, str]) -> None:
    """Without a valid `traceparent` the call begins a trace, and nobody's `tracestate` goes along."""
    here = await serve(seams=receiver.seams())
    await here.chat(headers={**given, "tracestate": "a=b"})
    spans = await receiver.until(3)
    sent = {name.lower(): value for name, value in here.received().headers}
    attempt = named(spans, "chat good")
    assert sent["traceparent"] == f"00-{attempt.trace_id}-{attempt.span_id}-01" and "tracestate" not in sent


async def test_trace_of_each_try(serve: Serve, receiver: OtlpReceiver) -> None:
    """The target of a fallback gets a parent of its own."""
    here = await serve(seams=receiver.seams(), routing={"fallback": ["standin/spare"]})
    here.standin.behave("good", failing("status", status=503))
    await here.chat(headers={"traceparent": SAMPLED})
    spans = await receiver.until(4)
    parents = [dict(each.headers)["traceparent"] for each in here.standin.requests]
    assert parents == [f"00-{TRACE}-{named(spans, f'chat {model}').span_id}-01" for model in ("good", "spare")]


async def test_trace_of_what_is_passed_on(serve: Serve, receiver: OtlpReceiver) -> None:
    """An endpoint that is handed through belongs to the trace, too."""
    here = await serve(seams=receiver.seams())
    body = {"model": here.agent, "input": "hello"}
    await here.http.post(f"{here.base_url}/moderations", json=body, headers={"traceparent": SAMPLED})
    spans = await receiver.until(3)
    assert dict(here.received().headers)["traceparent"].split("-")[2] == receiver.of("CLIENT")[0].span_id
    (server,) = receiver.of("SERVER")
    assert {span.trace_id for span in spans} == {TRACE} and server.name == "POST"
    assert (server.values["http.request.method"], server.values["url.path"]) == ("POST", "/v1/moderations")


@pytest.mark.parametrize(("forwarded", "sent"), [([], None), (["baggage"], "user=7")])
async def test_baggage(serve: Serve, receiver: OtlpReceiver, forwarded: list[str], sent: str | None) -> None:
    """What an app hangs onto its trace goes to a provider only where the operator lists it."""
    here = await serve(seams=receiver.seams(), gateway={"forward_headers": forwarded})
    await here.chat(headers={"traceparent": SAMPLED, "baggage": "user=7"})
    assert dict(here.received().headers).get("baggage") == sent


async def test_trace_without_export(serve: Serve) -> None:
    """Where nothing is exported the client's headers go on as they came."""
    here = await serve()
    await here.chat(headers={"traceparent": SAMPLED})
    assert dict(here.received().headers)["traceparent"] == SAMPLED


async def test_trace_id_in_the_log(
    serve: Serve, receiver: OtlpReceiver, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The call's log line names its trace."""
    here = await serve(seams=receiver.seams())
    await here.chat(headers={"traceparent": SAMPLED})
    logged = b""

    def is_logged() -> bool:
        nonlocal logged
        logged += capfdbinary.readouterr().out
        return TRACE.encode() in logged

    await eventually(is_logged)
    (line,) = [line for line in map(json.loads, logged.splitlines()) if line["event"] == "call"]
    assert line["trace_id"] == TRACE


async def test_tool(serve: Serve, receiver: OtlpReceiver) -> None:
    """A tool that runs in the app is a span of the trace whose answer asked, without a word from the app."""
    here = await serve(seams=receiver.seams())
    asked = (await here.chat(messages=CALL_IT, tools=[LOOK_UP])).json()["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": "42"}
    await here.chat(messages=[*CALL_IT, asked, result], tools=[LOOK_UP])
    spans = await receiver.until(7)
    tool = named(spans, "execute_tool look_up")
    first, second = sorted(receiver.of("SERVER"), key=lambda span: span.seconds)
    assert tool.seconds == pytest.approx((first.seconds[1], second.seconds[0]), abs=0.001)
    assert tool.trace_id == first.trace_id and tool.parent_id in {s.span_id for s in receiver.of("INTERNAL")}
    assert tool.values["serinus.derived"] is True and not tool.is_error
    assert tool.values["gen_ai.tool.call.id"] == asked["tool_calls"][0]["id"]


async def test_feedback(serve: Serve, receiver: OtlpReceiver) -> None:
    """A score is an event below the call's span, in a client's trace as in one of ours; its comment is left out."""
    here = await serve(seams=receiver.seams())
    for headers in ({}, {"traceparent": SAMPLED}):
        receiver.spans.clear()
        call_id = (await here.chat(headers=headers)).headers["x-serinus-call-id"]
        scored = {"call_id": call_id, "score": 0.25, "comment": "secret words"}
        await here.http.post(f"{here.base_url}/feedback", json=scored)
        spans = await receiver.until(4)
        span = named(spans, "evaluate feedback")
        chat = named(spans, f"chat {here.agent}")
        assert (span.trace_id, span.parent_id) == (chat.trace_id, chat.span_id)
        event = span.events["gen_ai.evaluation.result"]
        assert event["gen_ai.evaluation.score.value"] == 0.25 and event["gen_ai.evaluation.score.label"] == "bad"
        assert "gen_ai.evaluation.explanation" not in event


async def test_sampling(serve: Serve, receiver: OtlpReceiver) -> None:
    """A client that does not sample is heeded, but for calls that an operator wants to see whatever happens."""
    here = await serve(seams=receiver.seams())
    await here.chat(headers={"traceparent": UNSAMPLED})
    assert dict(here.received().headers)["traceparent"].endswith("-00")
    here.standin.behave("good", failing("status", status=500))
    await here.chat(headers={"traceparent": UNSAMPLED})
    spans = await receiver.until(3)
    assert len(spans) == 3 and named(spans, f"chat {here.agent}").values["serinus.sampled_for"] == "failed"


async def test_no_secret(serve: Serve, receiver: OtlpReceiver) -> None:
    """Nothing of a prompt, a key, a header or what a provider quotes of them is in any span."""
    here = await serve(seams=receiver.seams(OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20planted-0"))
    said = f"planted-1 is wrong for {PROVIDER_KEY}: Bearer planted-2"
    here.standin.behave("good", ModelBehaviour(error_rate=1, status=400, error_message=said))
    messages = [{"role": "user", "content": "planted-1"}]
    headers = {"authorization": "Bearer planted-2", "user-agent": "planted-3", "cookie": "planted-4"}
    await here.chat(headers=headers, messages=messages, user="planted-5")
    await receiver.until(3)
    assert re.findall(rb"planted-\d|" + PROVIDER_KEY.encode(), b"".join(receiver.raw)) == []
    assert receiver.heads[0]["authorization"] == "Basic planted-0"
