"""Every fault in every wire format: it plays, the books are right, and what is said is that format's own."""

import gzip
import json
from typing import Any

import pytest

from gateway.rehearsal.standin import FAULTS, Fault, ModelBehaviour, Standin
from gateway.rehearsal.standin.behaviour import SLIPS, Slip
from gateway.rehearsal.standin.models import StandinModel

from .dialects import ANTHROPIC, DIALECTS, GEMINI, RESPONSES, Dialect, datas, whole
from .raw import eventually, request, send

FORMATS = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
# Faults that leave a stream without its end.
CUTTING = ("truncate", "clean_cut", "hang", "hang_mid_stream", "reset_mid_stream", "error_in_200", "error_mid_stream")


def failing(fault: Fault, **more: object) -> ModelBehaviour:
    """A behaviour whose every call has this fault."""
    return ModelBehaviour.model_validate({"fault": fault, "error_rate": 1, **more})


@BOTH_WAYS
@FORMATS
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_booked_once(standin: Standin, fault: Fault, dialect: Dialect, stream: bool) -> None:
    """Whatever happens on the wire, the books name the fault, count no success and close the entry."""
    standin.behave("m", failing(fault, huge_bytes=1000, drip_seconds=0, chunks=3))
    heard = await dialect.post(standin, stream=stream)
    await eventually(standin)
    counts = standin.counts("m")
    assert (counts.requests, counts.ok, counts.faults, counts.cancelled) == (1, 0, {fault: 1}, "hang" in fault)
    assert not stream or fault not in CUTTING or dialect.ends not in heard.raw.decode("latin-1")


@BOTH_WAYS
@FORMATS
async def test_a_whole_answer_is_charged_in_full(standin: Standin, dialect: Dialect, stream: bool) -> None:
    """Text, cached and reasoning tokens, streamed or not; a whole stream has its end."""
    standin.behave("m", ModelBehaviour(prompt_tokens=50, cached_tokens=20, reasoning_tokens=4, chunks=3))
    heard = await dialect.post(standin, stream=stream)
    counts = standin.counts("m")
    assert (counts.ok, counts.prompt_tokens, counts.cached_tokens, counts.completion_tokens) == (1, 50, 20, 7)
    assert heard.status == 200
    assert not stream or (heard.chunked[1] and dialect.ends in heard.chunked[0].decode().split("\n\n")[-2])


@FORMATS
async def test_a_cut_stream_is_charged_up_to_its_cut(standin: Standin, dialect: Dialect) -> None:
    """The prompt, and the share of the chunks that went out."""
    cut = ModelBehaviour(
        fault_script=("truncate",), prompt_tokens=100, output_tokens=40, chunks=4, fault_after_chunks=3
    )
    standin.behave("m", cut)
    heard = await dialect.post(standin, stream=True)
    assert (heard.chunked[1], heard.raw.count(b"cheep ")) == (False, 3)
    assert (standin.counts("m").prompt_tokens, standin.counts("m").completion_tokens) == (100, 30)


@FORMATS
async def test_a_compressed_stream_is_the_whole_stream(standin: Standin, dialect: Dialect) -> None:
    """Under gzip nothing is missing, the stream's end included."""
    standin.behave("m", failing("gzip"))
    unpacked = gzip.decompress((await dialect.post(standin, stream=True)).chunked[0]).decode()
    assert dialect.ends in unpacked.split("\n\n")[-2]


@BOTH_WAYS
@pytest.mark.parametrize("dialect", [ANTHROPIC, GEMINI, RESPONSES], ids=["anthropic", "gemini", "responses"])
async def test_broken_arguments_are_nowhere_valid(standin: Standin, dialect: Dialect, stream: bool) -> None:
    """The call's arguments stop in the middle of a string, as far as a format can say that."""
    standin.behave("m", failing("bad_tool_arguments"))
    heard = await dialect.post(standin, stream=stream, **dialect.calling)
    assert heard.status == 200
    assert "lookup" in heard.raw.decode()
    assert "unfinished" in heard.raw.decode()


@pytest.mark.parametrize(
    ("dialect", "sent", "status", "kind"),
    [
        (ANTHROPIC, "x-api-key: wrong\r\nanthropic-version: 2023-06-01\r\n", 401, "authentication_error"),
        (ANTHROPIC, "x-goog-api-key: k\r\nanthropic-version: 2023-06-01\r\n", 401, "authentication_error"),
        (RESPONSES, "x-api-key: k\r\n", 401, "invalid_request_error"),
        (GEMINI, "x-goog-api-key: wrong\r\n", 400, "API_KEY_INVALID"),
        (GEMINI, "authorization: Bearer k\r\n", 403, "PERMISSION_DENIED"),
    ],
)
async def test_each_format_has_its_own_door(dialect: Dialect, sent: str, status: int, kind: str) -> None:
    """The right key opens in the format's own header alone, and the refusal is in the format's words."""
    standin = Standin(api_key="k")
    await standin.start("127.0.0.1", 0)
    good, bad = await dialect.post(standin), await dialect.post(standin, headers=sent)
    await standin.stop()
    assert (good.status, bad.status) == (200, status)
    assert kind in bad.body.decode()
    assert standin.counts("").faults == {"refused": 1}


async def test_anthropics_door_also_takes_a_bearer(standin: Standin) -> None:
    """Its newer clients send their key that way."""
    guarded = Standin(api_key="k")
    await guarded.start("127.0.0.1", 0)
    headers = "authorization: Bearer k\r\nanthropic-version: 2023-06-01\r\n"
    heard = await ANTHROPIC.post(guarded, headers=headers)
    await guarded.stop()
    assert heard.status == 200


@pytest.mark.parametrize("name", ["anthropic", "gemini", "responses"])
@pytest.mark.parametrize("fault", ["error_in_200", "error_mid_stream"])
async def test_an_error_event_is_the_last(standin: Standin, fault: Fault, name: str) -> None:
    """After it nothing comes: no usage, no reason to end, no mark of the end."""
    standin.behave("m", failing(fault, error_message="lost my voice"))
    heard = await DIALECTS[name].post(standin, stream=True)
    last = datas(heard)[-1]
    assert "lost my voice" in json.dumps(last)
    assert DIALECTS[name].ends not in heard.chunked[0].decode()
    assert len(datas(heard)) == 1 or fault == "error_mid_stream"


@pytest.mark.parametrize(
    ("dialect", "wrong"),
    [
        (ANTHROPIC, {"max_tokens": None}),
        (ANTHROPIC, {"messages": []}),
        (ANTHROPIC, {"tools": [{}]}),
        (ANTHROPIC, {"max_tokens": True}),
        (RESPONSES, {"input": None}),
        (RESPONSES, {"tools": [{"type": "function"}]}),
        (RESPONSES, {"previous_response_id": "resp_none"}),
        (GEMINI, {"contents": []}),
        (GEMINI, {"tools": [{"functionDeclarations": [{}]}]}),
    ],
)
async def test_a_bad_request_is_refused(standin: Standin, dialect: Dialect, wrong: dict[str, Any]) -> None:
    """400 with an error object; the books call it refused."""
    heard = await dialect.post(standin, **wrong)
    assert heard.status == 400
    assert "message" in whole(heard)["error"]
    assert standin.counts("").faults == {"refused": 1}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1beta/models/m:streamGenerateContent", 400),  # a stream that is no event stream
        ("/v1beta/models/m:predict", 405),
        ("/v1beta/agents/m:generateContent", 404),
        ("/v1/messages/batches", 404),
    ],
)
async def test_what_is_not_imitated_is_refused(standin: Standin, path: str, status: int) -> None:
    """In JSON, and in the words of the format whose key came with it."""
    heard = await send(standin, request(GEMINI.body, path=path, headers=GEMINI.headers))
    assert (heard.status, whole(heard)["error"]["code"]) == (status, status)


@BOTH_WAYS
@FORMATS
@pytest.mark.parametrize("slip", SLIPS)
async def test_a_slip_is_an_answer_that_goes_well(standin: Standin, slip: Slip, dialect: Dialect, stream: bool) -> None:
    """Served and charged like any other; a stream comes to its end."""
    standin.behave("m", ModelBehaviour(slip=slip, chunks=2))
    heard = await dialect.post(standin, stream=stream)
    counts = standin.counts("m")
    assert (heard.status, counts.ok, counts.faults) == (200, 1, {})
    assert not stream or heard.chunked[1]


def test_a_share_of_the_answers_slips() -> None:
    """By the model's own dice; without a slip there is nothing to draw."""
    model = StandinModel("m", ModelBehaviour(slip="empty", slip_rate=0.3))
    slips = [model.next_behaviour().slip for _ in range(500)]
    assert 100 < slips.count("empty") < 200 and set(slips) == {"empty", None}
    assert StandinModel("m", ModelBehaviour()).next_behaviour() == ModelBehaviour()


@BOTH_WAYS
@FORMATS
async def test_a_model_obeys_a_rule_that_it_was_given(standin: Standin, dialect: Dialect, stream: bool) -> None:
    """Wherever the request holds the sentence; without it the answer is another."""
    for rule, says in (("my order?", "good"), ("Promise no refund.", "bad")):
        standin.behave("m", ModelBehaviour(rule=rule, chunks=1, chunk_text="good", without_rule="bad"))
        heard = await dialect.post(standin, stream=stream)
        assert says in heard.body.decode()
