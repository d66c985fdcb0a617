"""OpenAI's Responses as the stand-in speaks them: by member, through the real SDK, and when asked for again."""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from gateway.rehearsal.standin import ModelBehaviour, Standin

from .dialects import RESPONSES, datas, whole

CALL = [{"role": "user", "content": "call lookup"}]
THINKING = ModelBehaviour(chunks=2, prompt_tokens=50, cached_tokens=20, reasoning_tokens=4)


class Order(BaseModel):
    """What `.parse` asks for."""

    number: int


@pytest.fixture
async def client(standin: Standin) -> AsyncIterator[AsyncOpenAI]:
    """A client that does not try again by itself."""
    async with AsyncOpenAI(base_url=standin.base_url, api_key="any", max_retries=0) as made:
        yield made


async def test_a_plain_answer_is_a_response(standin: Standin) -> None:
    """A thought and a message as items, usage with its details, and what the request said."""
    standin.behave("m", THINKING)
    answer = whole(await RESPONSES.post(standin, instructions="Sing."))
    thought, message = answer["output"]
    assert (answer["object"], answer["status"], answer["instructions"]) == ("response", "completed", "Sing.")
    assert (thought["type"], thought["summary"], message["role"]) == ("reasoning", [], "assistant")
    text = {"type": "output_text", "annotations": [], "logprobs": [], "text": "cheep cheep "}
    assert message["content"] == [text]
    assert answer["usage"] == {
        "input_tokens": 50,
        "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 0},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 56,
    }


async def test_a_stream_names_and_numbers_its_events(standin: Standin) -> None:
    """Each event is named as its type and numbered by one; the last has the whole response."""
    standin.behave("m", THINKING)
    heard = await RESPONSES.post(standin, stream=True)
    names = [line[7:] for line in heard.chunked[0].decode().split("\n") if line.startswith("event: ")]
    events = datas(heard)
    assert names == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    item = ["response.output_item.added", "response.output_item.done"]
    assert names[:4] == ["response.created", "response.in_progress", *item]
    assert events[-1]["response"]["usage"]["total_tokens"] == 56


async def test_the_sdk_follows_a_stream(client: AsyncOpenAI, standin: Standin) -> None:
    """It puts text, the thought's summary and usage together again."""
    standin.behave("m", THINKING)
    async with client.responses.stream(model="m", input="hello", reasoning={"summary": "auto"}) as stream:
        answer = await stream.get_final_response()
    assert answer.output_text == "cheep cheep "
    assert answer.output[0].type == "reasoning"
    assert answer.output[0].summary[0].text == "Let me think about it."


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_is_an_item(standin: Standin, stream: bool) -> None:
    """With its arguments as JSON text."""
    heard = await RESPONSES.post(standin, stream=stream, **RESPONSES.calling)
    answer = datas(heard)[-1]["response"] if stream else whole(heard)
    (call,) = answer["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "lookup", '{"id":0}')
    assert call["call_id"].startswith("call_")


async def test_the_sdk_parses_a_schema(client: AsyncOpenAI) -> None:
    """A pydantic class in, a value of that class out."""
    assert (await client.responses.parse(model="m", input="hello", text_format=Order)).output_parsed == Order(number=0)


async def test_a_call_does_not_follow_its_own_result(standin: Standin) -> None:
    """After a tool's result the model speaks: an agent comes to its end."""
    result = {"type": "function_call_output", "call_id": "c", "output": ""}
    answer = whole(await RESPONSES.post(standin, input=[*CALL, result], **RESPONSES.calling))
    assert answer["output"][0]["type"] == "message"


async def test_errors_in_a_stream(standin: Standin) -> None:
    """First of all, an `error`; in the middle, the response has failed. Both are numbered on."""
    standin.behave("m", ModelBehaviour(fault_script=("error_in_200", "error_mid_stream"), error_message="no"))
    (error,) = datas(await RESPONSES.post(standin, stream=True))
    assert error == {"type": "error", "code": "server_error", "message": "no", "param": None, "sequence_number": 0}
    *sent, failed = datas(await RESPONSES.post(standin, stream=True))
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", len(sent))
    assert (failed["response"]["status"], failed["response"]["error"]) == (
        "failed",
        {"code": "server_error", "message": "no"},
    )


async def test_a_plain_answer_may_have_failed(client: AsyncOpenAI, standin: Standin) -> None:
    """An error in a 200 is a response that failed."""
    standin.behave("m", ModelBehaviour(fault_script=("error_in_200",), error_message="no"))
    answer = await client.responses.create(model="m", input="hello")
    assert (answer.status, answer.error and answer.error.message, answer.output) == ("failed", "no", [])


async def test_a_response_can_be_asked_for_again(client: AsyncOpenAI) -> None:
    """The same one; not when it was not to be stored; and another request may go on from it."""
    answer = await client.responses.create(model="m", input="hello")
    assert await client.responses.retrieve(answer.id) == answer
    unkept = await client.responses.create(model="m", input="more", previous_response_id=answer.id, store=False)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(unkept.id)
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        await client.responses.cancel(answer.id)


async def test_a_background_response_is_ready_later(client: AsyncOpenAI, standin: Standin) -> None:
    """Queued at once, in progress until the model's latency is over, then whole."""
    standin.behave("m", ModelBehaviour(latency_seconds=0.3))
    queued = await client.responses.create(model="m", input="hello", background=True)
    early = await client.responses.retrieve(queued.id)
    await asyncio.sleep(0.35)
    late = await client.responses.cancel(queued.id)  # too late to change anything
    assert (queued.status, early.status, late.status, late.output_text) == (
        *("queued", "in_progress", "completed"),
        "cheep " * 8,
    )


async def test_a_background_response_can_be_cancelled(client: AsyncOpenAI, standin: Standin) -> None:
    """It stays cancelled."""
    standin.behave("m", ModelBehaviour(latency_seconds=30))
    queued = await client.responses.create(model="m", input="hello", background=True)
    assert (await client.responses.cancel(queued.id)).status == "cancelled"
    assert (await client.responses.retrieve(queued.id)).status == "cancelled"
