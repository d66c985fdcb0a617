"""OpenAI's endpoints beside chat, through the real SDK: embeddings, completions, images, audio, moderations, files."""

from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI

from gateway.rehearsal.standin import FAULTS, Fault, ModelBehaviour, Standin

from .raw import Heard, eventually, request, send

BYTES = b"\r\n\x00--\xff\r\n"  # what a careless reader of forms would cut
SMALL = {
    "/v1/embeddings": {"model": "m", "input": "a"},
    "/v1/images/generations": {"model": "m", "prompt": "a bird"},
    "/v1/audio/speech": {"model": "m", "input": "a", "voice": "alloy"},
    "/v1/moderations": {"model": "m", "input": "a"},
}


@pytest.fixture
async def client(standin: Standin) -> AsyncIterator[AsyncOpenAI]:
    """A client that does not try again by itself."""
    async with AsyncOpenAI(base_url=standin.base_url, api_key="any", max_retries=0) as made:
        yield made


async def test_embeddings(client: AsyncOpenAI, standin: Standin) -> None:
    """The same text has the same vector, as numbers or in base64, and only the prompt is charged."""
    standin.behave("m", ModelBehaviour(prompt_tokens=3))
    packed = await client.embeddings.create(model="m", input=["a", "b"], dimensions=4)  # base64, by the SDK's choice
    plain = await client.embeddings.create(model="m", input=["b"], dimensions=4, encoding_format="float")
    assert packed.data[1].embedding == plain.data[0].embedding != packed.data[0].embedding
    assert (len(plain.data[0].embedding), plain.usage.total_tokens) == (4, 3)
    assert (standin.counts("m").prompt_tokens, standin.counts("m").completion_tokens) == (6, 0)


async def test_tokens_are_one_input(client: AsyncOpenAI) -> None:
    """A list of numbers is one text, a list of such lists are many."""
    assert len((await client.embeddings.create(model="m", input=[1, 2, 3])).data) == 1
    assert len((await client.embeddings.create(model="m", input=[[1], [2, 3]])).data) == 2


async def test_completions(client: AsyncOpenAI, standin: Standin) -> None:
    """Text and usage, whole and streamed."""
    standin.behave("m", ModelBehaviour(chunks=2, prompt_tokens=3))
    answer = await client.completions.create(model="m", prompt="sing")
    assert (answer.choices[0].text, answer.usage and answer.usage.total_tokens) == ("cheep cheep ", 5)
    stream = await client.completions.create(
        model="m", prompt="sing", stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = [chunk async for chunk in stream]
    assert [chunk.choices[0].text for chunk in chunks] == ["cheep ", "cheep ", ""]
    assert (last.choices, last.usage and last.usage.total_tokens) == ([], 5)


async def test_a_prompt_is_needed(standin: Standin) -> None:
    """400 without one."""
    assert (await send(standin, request({"model": "m"}, path="/v1/completions"))).status == 400


async def test_images_and_moderations(client: AsyncOpenAI) -> None:
    """A picture of one pixel with the prompt beside it; nothing is ever harmful."""
    image = await client.images.generate(model="m", prompt="a bird", n=2)
    assert [each.revised_prompt for each in image.data or []] == ["a bird"] * 2
    moderated = await client.moderations.create(input=["a", "b"])
    assert [each.flagged for each in moderated.results] == [False, False]


async def test_audio(client: AsyncOpenAI, standin: Standin) -> None:
    """Speech is bytes of the type that was asked for; a transcription is read from a form."""
    standin.behave("m", ModelBehaviour(chunks=1))
    speech = await client.audio.speech.with_raw_response.create(model="m", voice="a", input="b", response_format="wav")
    assert (speech.headers["content-type"], speech.content[-6:]) == ("audio/wav", b"cheep ")
    assert (await client.audio.transcriptions.create(model="m", file=("a.wav", BYTES))).text == "cheep "
    text = await client.audio.transcriptions.create(model="m", file=("a.wav", BYTES), response_format="text")
    assert text == "cheep \n"


async def test_files(client: AsyncOpenAI) -> None:
    """Uploaded, listed, retrieved byte by byte, deleted, gone."""
    file = await client.files.create(file=("a.jsonl", BYTES), purpose="batch")
    assert (file.filename, file.bytes, file.purpose) == ("a.jsonl", len(BYTES), "batch")
    assert [each.id async for each in client.files.list()] == [file.id]
    assert (await client.files.content(file.id)).content == BYTES
    assert (await client.files.retrieve(file.id)) == file
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(file.id)


async def call(standin: Standin, path: str, **more: object) -> Heard:
    """One call of a small endpoint."""
    return await send(standin, request({**SMALL[path], **more}, path=path))


@pytest.mark.parametrize("path", SMALL)
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_plays_here_too(standin: Standin, fault: Fault, path: str) -> None:
    """The books name it and close the entry; without tools a broken call is broken JSON."""
    standin.behave("m", ModelBehaviour(fault_script=(fault,), huge_bytes=1000, drip_seconds=0))
    await call(standin, path)
    await eventually(standin)
    assert (standin.counts("m").ok, standin.counts("m").faults) == (0, {fault: 1})


@pytest.mark.parametrize("path", SMALL)
async def test_what_is_needed_is_asked_for(standin: Standin, path: str) -> None:
    """400 without an input."""
    assert (await call(standin, path, input=None, prompt=None)).status == 400


@pytest.mark.parametrize("path", ["/v1/files", "/v1/audio/transcriptions"])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"--b\r\n\r\n--b--", b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b--']
)
async def test_what_is_no_form_is_refused(standin: Standin, path: str, body: bytes) -> None:
    """400 for other bodies, fields without a name, and forms without a file."""
    heard = await send(standin, request(body, path=path, headers="content-type: multipart/form-data; boundary=b\r\n"))
    assert heard.status == 400


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/files"), ("POST", "/v1/responses/r"), ("GET", "/v1/responses/r/cancel")]
)
async def test_a_wrong_method_is_refused(standin: Standin, method: str, path: str) -> None:
    """405 in JSON."""
    assert (await send(standin, request(method=method, path=path))).status == 405
