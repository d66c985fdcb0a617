"""Embeddings and completions: an agent's version answers them, and they are calls like any other."""

from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest

from tests.support.calling import HELLO, Place, failing

Serve = Callable[..., Awaitable[Place]]
PRICE = {"target": "standin/good", "from": "2026-01-01", "input": 1.0, "output": 2.0}
V2 = {"v2.yaml": {"model": "standin/better", "temperature": 0.25, "extra": {"user_tag": "x"}}}


async def test_embeddings_in_either_encoding(serve: Serve) -> None:
    """The SDK asks for base64 by itself; floats come when they are asked for. Both say the same."""
    here = await serve()
    packed = await here.sdk().embeddings.create(model=here.agent, input=["a", "b"], dimensions=4)
    assert here.received_json()["encoding_format"] == "base64"
    plain = await here.sdk().embeddings.create(
        model=here.agent, input=["a", "b"], dimensions=4, encoding_format="float"
    )
    assert here.received_json() == {
        "model": "good",
        "input": ["a", "b"],
        "dimensions": 4,
        "encoding_format": "float",
    }
    assert [each.embedding for each in packed.data] == [each.embedding for each in plain.data]


async def test_embeddings_are_booked(serve: Serve) -> None:
    """Tokens and cost, on the version that served."""
    here = await serve(gateway={"prices": [PRICE]})
    answer = await here.sdk().embeddings.with_raw_response.create(model=here.agent, input="a bird")
    used = answer.parse().usage.prompt_tokens
    assert answer.headers["x-serinus-version"] == "v1"
    assert float(answer.headers["x-serinus-cost-usd"]) == pytest.approx(used / 1e6)
    books = await here.books()
    assert (books.tokens.input, books.tokens.output, books.errors) == (used, 0, 0)
    assert books.cost_usd == pytest.approx(used / 1e6)


async def test_completions(serve: Serve) -> None:
    """Whole and streamed: the same text, and a usage only for who asked for it."""
    here = await serve()
    whole = await here.sdk().completions.create(model=here.agent, prompt="say")
    stream = await here.sdk().completions.create(model=here.agent, prompt="say", stream=True)
    chunks = [chunk async for chunk in stream]
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks) == "cheep " * 8
    assert all(chunk.usage is None for chunk in chunks)
    assert here.received_json()["stream_options"] == {"include_usage": True}
    options: Any = {"include_usage": True}
    stream = await here.sdk().completions.create(model=here.agent, prompt="say", stream=True, stream_options=options)
    assert [chunk.usage.completion_tokens async for chunk in stream if chunk.usage] == [8]


async def test_completions_are_booked(serve: Serve) -> None:
    """A stream's tokens too, though its client did not ask for them."""
    here = await serve(gateway={"prices": [PRICE]})
    stream = await here.sdk().completions.create(model=here.agent, prompt="say", stream=True)
    assert [chunk async for chunk in stream]
    books = await here.books()
    assert books.tokens.output == 8
    assert books.cost_usd == pytest.approx((books.tokens.input + 2 * 8) / 1e6)


async def test_the_versions_word(serve: Serve) -> None:
    """Its model and `extra` go to both; its temperature only where the endpoint has one."""
    here = await serve(files=V2)
    await here.sdk().completions.create(model=f"{here.agent}@v2", prompt="say", temperature=1)
    assert here.received_json() == {"model": "better", "prompt": "say", "temperature": 0.25, "user_tag": "x"}
    await here.sdk().embeddings.create(model=f"{here.agent}@v2", input="a", encoding_format="float")
    received = here.received_json()
    assert received == {"model": "better", "input": "a", "encoding_format": "float", "user_tag": "x"}


async def test_the_split(serve: Serve) -> None:
    """Inputs are units: a canary gets its share of them, and the same text always the same version."""
    here = await serve(routing={"canary": "v2", "weight": "50%"}, files=V2)
    create = here.sdk().embeddings.with_raw_response.create

    async def version(text: str) -> str:
        return (await create(model=here.agent, input=text)).headers["x-serinus-version"]

    served = {str(number): await version(str(number)) for number in range(20)}
    assert {*served.values()} == {"v1", "v2"}
    assert [await version(text) for text in list(served)[:4]] == list(served.values())[:4]


@pytest.mark.parametrize("stream", [False, True])
async def test_no_person_writes_these(serve: Serve, stream: bool) -> None:
    """The chain's `human` is passed over: the client is told of the failure, and nobody is disturbed."""
    here = await serve(routing={"fallback": ["human"]})
    here.standin.behave("good", failing("status"))
    with pytest.raises(openai.InternalServerError):
        await here.sdk().completions.create(model=here.agent, prompt="say", stream=stream)
    with pytest.raises(openai.InternalServerError):
        await here.sdk().embeddings.create(model=here.agent, input="a")
    books = await here.books(requests=2)
    assert (books.errors, books.escalations) == (2, 0)


async def test_a_fallback(serve: Serve) -> None:
    """Another target answers, with its own model."""
    here = await serve(routing={"fallback": ["standin/spare", "human"]})
    here.standin.behave("good", failing("status"))
    answer = await here.sdk().embeddings.with_raw_response.create(model=here.agent, input="a")
    assert (answer.headers["x-serinus-target"], here.received_json()["model"]) == ("standin/spare", "spare")


@pytest.mark.parametrize("api", ["anthropic", "gemini"])
async def test_providers_without_them(serve: Serve, api: str) -> None:
    """400, naming the provider's API, while a chat with the same agent is served."""
    here = await serve(api=api, version={"max_tokens": 50})
    with pytest.raises(openai.BadRequestError, match=f"`api: {api}`"):
        await here.sdk().embeddings.create(model=here.agent, input="a")
    assert (await here.sdk().chat.completions.create(model=here.agent, messages=HELLO)).choices


async def test_embeddings_do_not_stream(serve: Serve) -> None:
    """Asked for a stream, 400; and nothing is sent."""
    here = await serve()
    with pytest.raises(openai.BadRequestError, match="do not stream"):
        await here.sdk().embeddings.create(model=here.agent, input="a", extra_body={"stream": True})
    assert not here.standin.requests
