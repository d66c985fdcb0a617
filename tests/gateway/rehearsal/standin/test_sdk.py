"""The real openai SDK takes the stand-in for OpenAI."""

from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionUserMessageParam
from pydantic import BaseModel

from gateway.rehearsal.standin import ModelBehaviour, Standin

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hello"}]
LOOKUP: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    },
}


class Line(BaseModel):
    """A part of the order that `.parse` asks for."""

    name: str
    price: float | None


class Order(BaseModel):
    """What `.parse` asks for."""

    number: int
    lines: list[Line]
    first: Line


@pytest.fixture
async def client(standin: Standin) -> AsyncIterator[AsyncOpenAI]:
    """A client that does not try again by itself."""
    async with AsyncOpenAI(base_url=standin.base_url, api_key="any", max_retries=0) as made:
        yield made


async def test_create(client: AsyncOpenAI, standin: Standin) -> None:
    """A plain completion with its text, usage and request id."""
    standin.behave("m", ModelBehaviour(chunk_text="tweet", chunks=1, prompt_tokens=3))
    answer = await client.chat.completions.create(model="m", messages=HELLO)
    assert answer.choices[0].message.content == "tweet"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")


async def test_stream_with_usage(client: AsyncOpenAI) -> None:
    """Text in chunks, usage in the last and in no other."""
    stream = await client.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "cheep " * 8
    assert [chunk.usage is None for chunk in chunks] == [True] * 10 + [False]
    assert chunks[-1].choices == []


async def test_tools(client: AsyncOpenAI) -> None:
    """A call of the tool that the user named, with arguments of its schema."""
    answer = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "call lookup_order"}], tools=[LOOKUP]
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("lookup_order", '{"id":0}')


async def test_streamed_tools(client: AsyncOpenAI) -> None:
    """The SDK puts the deltas of a call together again."""
    async with client.chat.completions.stream(
        model="m", messages=HELLO, tools=[LOOKUP], tool_choice="required"
    ) as stream:
        answer = await stream.get_final_completion()
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.function.arguments == '{"id":0}'
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_parse(client: AsyncOpenAI) -> None:
    """A pydantic class in, a value of that class out."""
    answer = await client.chat.completions.parse(model="m", messages=HELLO, response_format=Order)
    assert answer.choices[0].message.parsed == Order(number=0, lines=[], first=Line(name="", price=None))


async def test_models(client: AsyncOpenAI, standin: Standin) -> None:
    """Listed and retrieved."""
    standin.behave("m", ModelBehaviour())
    assert [model.id async for model in client.models.list()] == ["m"]
    assert (await client.models.retrieve("m")).owned_by == "standin"


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (ModelBehaviour(fault_script=("rate_limit",)), openai.RateLimitError),
        (ModelBehaviour(fault_script=("status",), status=401), openai.AuthenticationError),
        (ModelBehaviour(fault_script=("status",), status=404), openai.NotFoundError),
        (ModelBehaviour(fault_script=("status",), status=503), openai.InternalServerError),
        (ModelBehaviour(fault_script=("reset",)), openai.APIConnectionError),
        (ModelBehaviour(fault_script=("truncate",)), openai.APIConnectionError),
    ],
)
async def test_faults_are_the_sdks_own_errors(
    client: AsyncOpenAI, standin: Standin, behaviour: ModelBehaviour, error: type[openai.APIError]
) -> None:
    """Each fault is raised as the class that applications catch."""
    standin.behave("m", behaviour)
    with pytest.raises(error):
        await client.chat.completions.create(model="m", messages=HELLO)


async def test_an_error_event_breaks_the_stream(client: AsyncOpenAI, standin: Standin) -> None:
    """After some text the SDK raises APIError with the provider's words."""
    standin.behave("m", ModelBehaviour(fault_script=("error_mid_stream",), error_message="lost my voice"))
    stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="lost my voice"):
        async for _ in stream:
            pass
