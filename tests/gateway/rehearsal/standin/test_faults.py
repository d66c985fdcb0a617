"""Each fault as a transcript: what a client hears, and how the connection ends."""

import gzip
import json
import zlib

import pytest

from gateway.rehearsal.standin import FAULTS, Fault, ModelBehaviour, Standin

from .raw import eventually, post


def failing(fault: Fault, **more: object) -> ModelBehaviour:
    """A behaviour whose every call has this fault."""
    return ModelBehaviour.model_validate({"fault": fault, "error_rate": 1, **more})


def last_word(events: list[str]) -> object:
    """The content of a stream's last event."""
    return json.loads(events[-1])["choices"][0]["delta"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "invalid_request_error"),
        (500, "server_error"),
        (503, "service_unavailable_error"),
        (529, "overloaded_error"),
    ],
)
async def test_status(standin: Standin, status: int, kind: str, stream: bool) -> None:
    """An HTTP error before anything else, streamed or not, with OpenAI's body."""
    standin.behave("m", failing("status", status=status, error_param="temperature", error_message="no"))
    heard = await post(standin, stream=stream)
    error = heard.json()["error"]
    assert isinstance(error, dict)
    assert (heard.status, error["type"], error["param"], error["message"]) == (status, kind, "temperature", "no")
    assert "retry-after" not in heard.headers


async def test_status_may_say_when_to_retry(standin: Standin) -> None:
    """Retry-After in whole seconds, the exact time beside it, and x-should-retry."""
    standin.behave("m", failing("status", status=503, retry_after_seconds=1.5, should_retry=False))
    headers = (await post(standin)).headers
    assert (headers["retry-after"], headers["retry-after-ms"], headers["x-should-retry"]) == ("2", "1500", "false")


async def test_rate_limit(standin: Standin) -> None:
    """429 with Retry-After and nothing left of the limit."""
    standin.behave("m", failing("rate_limit", retry_after_seconds=7))
    heard = await post(standin)
    assert (heard.status, heard.headers["retry-after"]) == (429, "7")
    assert heard.headers["x-ratelimit-remaining-requests"] == "0"
    assert heard.json()["error"]["code"] == "rate_limit_exceeded"  # type: ignore[index]


async def test_error_in_200(standin: Standin) -> None:
    """An error object under HTTP 200; in a stream it is the first event."""
    standin.behave("m", failing("error_in_200"))
    plain, streamed = await post(standin), await post(standin, stream=True)
    assert (plain.status, streamed.status) == (200, 200)
    assert plain.json()["error"]["type"] == "server_error"  # type: ignore[index]
    assert [json.loads(each)["error"]["type"] for each in streamed.events] == ["server_error"]


async def test_error_mid_stream(standin: Standin) -> None:
    """Role and two chunks, then an error event; no finish_reason, no [DONE]."""
    standin.behave("m", failing("error_mid_stream"))
    heard = await post(standin, stream=True)
    assert len(heard.events) == 4
    assert "error" in json.loads(heard.events[-1])
    assert b"[DONE]" not in heard.raw
    assert "error" in (await post(standin)).json()


async def test_truncate_of_a_plain_answer(standin: Standin) -> None:
    """The connection closes before Content-Length is reached."""
    standin.behave("m", failing("truncate"))
    heard = await post(standin)
    assert 0 < len(heard.body) < int(heard.headers["content-length"])
    assert heard.end == "closed"


async def test_truncate_of_a_stream(standin: Standin) -> None:
    """The connection closes after two chunks, without the last chunk of the HTTP message."""
    standin.behave("m", failing("truncate"))
    heard = await post(standin, stream=True)
    assert (len(heard.events), heard.chunked[1], heard.end) == (3, False, "closed")
    assert last_word(heard.events) == {"content": "cheep "}


async def test_clean_cut(standin: Standin) -> None:
    """The HTTP message is whole; the stream in it has no finish_reason and no [DONE], the JSON in it stops halfway."""
    standin.behave("m", failing("clean_cut"))
    heard = await post(standin, stream=True)
    assert (len(heard.events), heard.chunked[1]) == (3, True)
    assert last_word(heard.events) == {"content": "cheep "}
    plain = await post(standin)
    assert int(plain.headers["content-length"]) == len(plain.body)
    with pytest.raises(ValueError, match="unexpected end of data"):
        plain.json()


@pytest.mark.parametrize("stream", [False, True])
async def test_hang(standin: Standin, stream: bool) -> None:
    """Nothing comes, the connection stays; when the client leaves, the books know it at once."""
    standin.behave("m", failing("hang"))
    heard = await post(standin, stream=stream)
    assert (heard.raw, heard.end) == (b"", "open")
    await eventually(standin)
    assert (standin.counts("m").cancelled, standin.counts("m").faults) == (1, {"hang": 1})


@pytest.mark.parametrize("stream", [False, True])
async def test_hang_mid_stream(standin: Standin, stream: bool) -> None:
    """Something comes, then nothing more."""
    standin.behave("m", failing("hang_mid_stream"))
    heard = await post(standin, stream=stream)
    assert (heard.status, heard.end) == (200, "open")
    assert len(heard.events) == 3 if stream else len(heard.body) < int(heard.headers["content-length"])


@pytest.mark.parametrize("stream", [False, True])
async def test_reset(standin: Standin, stream: bool) -> None:
    """RST before the first byte."""
    standin.behave("m", failing("reset"))
    heard = await post(standin, stream=stream)
    assert (heard.raw, heard.end) == (b"", "reset")


@pytest.mark.parametrize("stream", [False, True])
async def test_reset_mid_stream(standin: Standin, stream: bool) -> None:
    """RST after the headers and some of the answer."""
    standin.behave("m", failing("reset_mid_stream"))
    heard = await post(standin, stream=stream)
    assert (heard.status, heard.end) == (200, "reset")
    assert heard.body


@pytest.mark.parametrize("stream", [False, True])
async def test_html(standin: Standin, stream: bool) -> None:
    """A web page under HTTP 200, whatever was asked for."""
    standin.behave("m", failing("html"))
    heard = await post(standin, stream=stream)
    assert (heard.status, heard.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert heard.body.startswith(b"<!DOCTYPE html>")


async def test_bad_json(standin: Standin) -> None:
    """The body is not JSON; in a stream one event in the middle is not."""
    standin.behave("m", failing("bad_json"))
    with pytest.raises(ValueError, match="unexpected end of data"):
        (await post(standin)).json()
    *good, bad, done = (await post(standin, stream=True)).events
    assert (len(good), bad, done) == (3, '{"id": "chatcmpl-', "[DONE]")


async def test_empty_choices(standin: Standin) -> None:
    """A well-formed answer that says nothing, and is charged."""
    standin.behave("m", failing("empty_choices", prompt_tokens=5))
    assert (await post(standin)).json()["choices"] == []
    assert json.loads((await post(standin, stream=True)).events[0])["choices"] == []
    assert standin.counts("m").prompt_tokens == 10


@pytest.mark.parametrize("tools", [[], [{"type": "function", "function": {"name": "lookup"}}]])
async def test_bad_tool_arguments(standin: Standin, tools: list[object]) -> None:
    """A tool call whose arguments are not JSON; a made-up tool where none was offered."""
    standin.behave("m", failing("bad_tool_arguments"))
    answer = (await post(standin, tools=tools)).json()
    (call,) = answer["choices"][0]["message"]["tool_calls"]  # type: ignore[index]
    assert call["function"]["name"] == ("lookup" if tools else "unknown_tool")
    with pytest.raises(ValueError, match="Unterminated string"):
        json.loads(call["function"]["arguments"])
    assert "valu" in "".join((await post(standin, tools=tools, stream=True)).events)


@pytest.mark.parametrize("stream", [False, True])
async def test_slow_drip(standin: Standin, stream: bool) -> None:
    """The right answer, but a byte at a time: in a tenth of a second little has come."""
    standin.behave("m", failing("slow_drip", drip_seconds=0.0001, chunks=1))
    heard = await post(standin, stream=stream)
    assert (heard.events[-1] if stream else heard.json()["object"]) == ("[DONE]" if stream else "chat.completion")
    assert standin.counts("m").completion_tokens == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_gzip(standin: Standin, stream: bool) -> None:
    """The right answer, compressed though nobody asked."""
    standin.behave("m", failing("gzip"))
    heard = await post(standin, stream=stream)
    assert heard.headers["content-encoding"] == "gzip"
    unpacked = gzip.decompress(heard.chunked[0] if stream else heard.body)
    assert unpacked.endswith(b"data: [DONE]\n\n") if stream else json.loads(unpacked)["choices"]


async def test_gzip_bomb(standin: Standin) -> None:
    """Few bytes that unpack to many."""
    standin.behave("m", failing("gzip_bomb", huge_bytes=5_000_000))
    heard = await post(standin)
    packed, whole = heard.chunked
    assert whole
    assert len(packed) < 20_000
    assert len(zlib.decompress(packed, wbits=31)) == 5_000_000


async def test_huge(standin: Standin) -> None:
    """As many bytes as were asked for, all of them sent."""
    standin.behave("m", failing("huge", huge_bytes=3_000_001))
    heard = await post(standin)
    assert len(heard.body) == int(heard.headers["content-length"]) == 3_000_001


async def test_redirect(standin: Standin) -> None:
    """307 to another host, where a careful client does not go."""
    standin.behave("m", failing("redirect", redirect_to="http://127.0.0.1:1/v1/chat/completions"))
    heard = await post(standin)
    assert (heard.status, heard.headers["location"]) == (307, "http://127.0.0.1:1/v1/chat/completions")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_booked_once_and_leaves_nothing_open(standin: Standin, fault: Fault, stream: bool) -> None:
    """Whatever happens on the wire, the books name the fault, count no success and close the entry."""
    standin.behave("m", failing(fault, huge_bytes=1000, drip_seconds=0))
    await post(standin, stream=stream)
    await eventually(standin)
    counts = standin.counts("m")
    assert (counts.requests, counts.ok, counts.faults) == (1, 0, {fault: 1})
    assert counts.cancelled == ("hang" in fault)


async def test_a_fault_script_comes_first(standin: Standin) -> None:
    """One word for each call, then the error rate decides again."""
    standin.behave("m", ModelBehaviour(fault_script=("status", "ok", "rate_limit"), status=503))
    assert [(await post(standin)).status for _ in range(5)] == [503, 200, 429, 200, 200]


@pytest.mark.parametrize("after", [0, 1, 100])
async def test_a_cut_comes_after_as_many_chunks_as_asked_for(standin: Standin, after: int) -> None:
    """`fault_after_chunks` counts content chunks; a cut beyond the last still cuts before the end."""
    standin.behave("m", failing("clean_cut", fault_after_chunks=after, chunks=3))
    heard = await post(standin, stream=True)
    assert len(heard.events) == 1 + min(after, 3)
    assert b'"finish_reason":"stop"' not in heard.raw
