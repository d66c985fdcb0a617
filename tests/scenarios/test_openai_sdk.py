"""An application that uses OpenAI's own SDK changes its base_url and its key, and nothing else."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.calling import HELLO, Place, failing

Serve = Callable[..., Awaitable[Place]]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    },
}
CALL_IT: Any = [{"role": "user", "content": "call look_up"}]


class Weather(BaseModel):
    """What `.parse` is asked for."""

    city: str
    degrees: int


async def test_create(serve: Serve) -> None:
    """A plain completion, with its usage and the agent's name nowhere needed but in `model`."""
    here = await serve()
    answer = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO)
    assert answer.choices[0].message.content == "cheep " * 8
    assert answer.usage is not None and answer.usage.completion_tokens == 8


async def test_create_from_blocking_code(serve: Serve) -> None:
    """The synchronous client gets the same, streamed and not."""
    here = await serve()
    client = here.blocking_sdk()

    def both() -> tuple[str | None, str]:
        answer = client.chat.completions.create(model=here.agent, messages=HELLO)
        with client.chat.completions.create(model=here.agent, messages=HELLO, stream=True) as stream:
            said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        client.close()
        return answer.choices[0].message.content, said

    assert await asyncio.to_thread(both) == ("cheep " * 8, "cheep " * 8)


async def test_stream_without_usage(serve: Serve) -> None:
    """Nobody asked for usage: every chunk has a choice, as applications that read `choices[0]` expect."""
    here = await serve()
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    assert all(len(chunk.choices) == 1 for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert here.received_json()["stream_options"] == {"include_usage": True}


async def test_stream_with_usage(serve: Serve) -> None:
    """Asked for, the usage comes exactly once and last, in a chunk without choices."""
    here = await serve()
    options: Any = {"include_usage": True}
    stream = await here.sdk().chat.completions.create(
        model=here.agent, messages=HELLO, stream=True, stream_options=options
    )
    chunks = [chunk async for chunk in stream]
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []


async def test_tools(serve: Serve) -> None:
    """A tool call comes back whole, and the turn after it, with the tool's result, is served too."""
    here = await serve()
    sdk = here.sdk()
    first = await sdk.chat.completions.create(model=here.agent, messages=CALL_IT, tools=[TOOL])
    calls = first.choices[0].message.tool_calls
    assert calls is not None and calls[0].type == "function"
    assert json.loads(calls[0].function.arguments).keys() == {"id"}
    said = first.choices[0].message.model_dump(exclude_none=True)
    turn: Any = [*CALL_IT, said, {"role": "tool", "tool_call_id": calls[0].id, "content": "shipped"}]
    second = await sdk.chat.completions.create(model=here.agent, messages=turn, tools=[TOOL])
    assert second.choices[0].finish_reason == "stop"


async def test_streamed_tools(serve: Serve) -> None:
    """The SDK puts a streamed tool call together again."""
    here = await serve()
    async with here.sdk().chat.completions.stream(model=here.agent, messages=CALL_IT, tools=[TOOL]) as stream:
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert json.loads(calls[0].function.arguments).keys() == {"id"}


async def test_parse(serve: Serve) -> None:
    """Structured output comes back as the application's own model."""
    here = await serve()
    answer = await here.sdk().chat.completions.parse(model=here.agent, messages=HELLO, response_format=Weather)
    assert isinstance(answer.choices[0].message.parsed, Weather)


async def test_models(serve: Serve) -> None:
    """The models are the agents, and each of their versions."""
    here = await serve()
    sdk = here.sdk()
    names = [model.id async for model in sdk.models.list()]
    assert names == [here.agent, f"{here.agent}@v1"]
    assert (await sdk.models.retrieve(f"{here.agent}@v1")).owned_by == "serinus"
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"


async def test_headers(serve: Serve) -> None:
    """`with_raw_response` shows who served the call, what it cost, and the provider's own request id."""
    here = await serve(
        gateway={"prices": [{"target": "standin/good", "from": "2020-01-01", "input": 1.0, "output": 2.0}]}
    )
    raw = await here.sdk().chat.completions.with_raw_response.create(model=here.agent, messages=HELLO)
    usage = raw.parse().usage
    assert usage is not None
    shown = {name: raw.headers[f"x-serinus-{name}"] for name in ("agent", "version", "target", "attempts")}
    assert shown == {"agent": here.agent, "version": "v1", "target": "standin/good", "attempts": "1"}
    dollars = (usage.prompt_tokens + 2 * usage.completion_tokens) / 1e6
    assert float(raw.headers["x-serinus-cost-usd"]) == pytest.approx(dollars)
    assert raw.headers["x-upstream-request-id"].startswith("req_")
    assert raw.request_id == raw.headers["x-serinus-call-id"] != raw.headers["x-upstream-request-id"]


@pytest.mark.parametrize("stream", [False, True])
async def test_ids_and_feedback(serve: Serve, stream: bool) -> None:
    """An app keeps its own request id, and scores the call by ours: once, and no call that it made up."""
    here, own = await serve(), {"x-request-id": "my-trace.7"}
    client = here.sdk()
    raw = await client.chat.completions.with_raw_response.create(
        model=here.agent, messages=HELLO, stream=stream, extra_headers=own
    )
    assert raw.request_id == "my-trace.7"
    score = {"call_id": raw.headers["x-serinus-call-id"], "score": 1}
    answer: Any = await client.post("/feedback", body=score, cast_to=object)
    assert (answer["agent"], answer["version"]) == (here.agent, "v1")
    with pytest.raises(openai.ConflictError):
        await client.post("/feedback", body=score, cast_to=object)
    with pytest.raises(openai.NotFoundError):
        await client.post("/feedback", body={"call_id": raw.request_id, "score": 0}, cast_to=object)


async def test_ids_of_an_error(serve: Serve) -> None:
    """An error carries both ids, whoever wrote it; nothing was answered, so there is nothing to score."""
    here = await serve()
    here.standin.behave("good", failing("status", status=422))
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await here.sdk().chat.completions.create(
            model=here.agent, messages=HELLO, extra_headers={"x-request-id": "my-trace.7"}
        )
    assert refused.value.request_id == "my-trace.7"
    score = {"call_id": refused.value.response.headers["x-serinus-call-id"], "score": 0}
    answer: Any = await here.sdk().post("/feedback", body=score, cast_to=object)
    assert answer["counts"] is False and "answered" in answer["why"]
    assert (await here.books()).quality is None


ERRORS = [
    (400, openai.BadRequestError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
    (529, openai.InternalServerError),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "error"), ERRORS)
async def test_errors(serve: Serve, status: int, error: type[openai.APIStatusError], stream: bool) -> None:
    """The provider's status, message, param and code arrive as the SDK's own exception, unchanged."""
    here = await serve()
    behaviour = failing("status", status=status, error_message="Too long", error_code="c-1", error_param="messages")
    here.standin.behave("good", behaviour)
    with pytest.raises(error) as caught:
        await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=stream)
    assert caught.value.status_code == status
    assert (caught.value.code, caught.value.param) == ("c-1", "messages")
    assert isinstance(caught.value.body, dict) and caught.value.body["message"] == "Too long"


@pytest.mark.parametrize(("status", "said"), [(401, "credentials"), (403, "region")])
async def test_refused_gateway(serve: Serve, status: int, said: str) -> None:
    """The provider refuses our key or our country: our fault, in our own words, and not the application's."""
    here = await serve()
    here.standin.behave("good", failing("status", status=status, error_message="Incorrect API key: sk-planted"))
    with pytest.raises(openai.InternalServerError) as caught:
        await here.sdk().chat.completions.create(model=here.agent, messages=HELLO)
    assert caught.value.status_code == 502
    assert "sk-planted" not in str(caught.value) and said in str(caught.value)


async def test_application_without_a_key(serve: Serve) -> None:
    """A key that is not configured is a 401 before any provider is called, and a key of another agent a 403."""
    import hashlib

    keys = {"other": {"sha256": hashlib.sha256(b"a-key").hexdigest(), "agents": []}}
    here = await serve(gateway={"keys": keys})
    with pytest.raises(openai.AuthenticationError) as caught:
        await here.sdk(default_headers={"Authorization": "Bearer wrong"}).models.list()
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError):
        await here.sdk().chat.completions.create(model=here.agent, messages=HELLO)
    assert len(here.standin.requests) == 0


async def test_timeout(serve: Serve) -> None:
    """The application's own timeout is its own; the provider's call is let go at once."""
    here = await serve()
    here.standin.behave("good", ModelBehaviour(latency_seconds=30))
    with pytest.raises(openai.APITimeoutError):
        await here.sdk(timeout=0.3).chat.completions.create(model=here.agent, messages=HELLO)
    await asyncio.sleep(0.1)
    assert here.standin.counts("good").cancelled == 1


async def test_stream_that_breaks(serve: Serve) -> None:
    """A stream that breaks raises; the application never takes a half answer for a whole one."""
    here = await serve()
    here.standin.behave(
        "good", failing("error_mid_stream", error_message="out of memory", error_code="c-2", chunk_seconds=0.05)
    )
    stream = await here.sdk().chat.completions.create(model=here.agent, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError) as caught:
        async for _ in stream:
            pass
    assert caught.value.message == "out of memory" and caught.value.code == "c-2"
