"""Gemini's generateContent as the stand-in speaks it, member by member."""

from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin

from .dialects import GEMINI, GOOGLES_ORDER, ORDER, datas, whole
from .raw import request, send

THINKING = ModelBehaviour(chunks=2, prompt_tokens=50, cached_tokens=20, reasoning_tokens=4)
USAGE = {
    "promptTokenCount": 50,
    "candidatesTokenCount": 2,
    "totalTokenCount": 56,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 50}],
    "cachedContentTokenCount": 20,
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
    "thoughtsTokenCount": 4,
}


async def test_a_plain_answer_has_a_candidate(standin: Standin) -> None:
    """With its parts, role and reason; thoughts are counted beside the candidate's tokens."""
    standin.behave("m", THINKING)
    answer = whole(await GEMINI.post(standin))
    assert str(answer.pop("responseId")).startswith("gemini-")
    assert answer == {
        "candidates": [
            {
                "content": {"parts": [{"text": "cheep cheep "}], "role": "model"},
                "index": 0,
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": USAGE,
        "modelVersion": "m",
    }


async def test_a_stream_is_the_same_in_pieces(standin: Standin) -> None:
    """Every chunk has the usage so far, the last also the reason; no mark ends it."""
    standin.behave("m", THINKING)
    *pieces, last = datas(await GEMINI.post(standin, stream=True))
    assert [each["candidates"][0]["content"]["parts"] for each in pieces] == [[{"text": "cheep "}]] * 2
    assert [each["usageMetadata"]["totalTokenCount"] for each in pieces] == [53, 56]
    assert (last["candidates"][0]["finishReason"], last["usageMetadata"]) == ("STOP", USAGE)


@pytest.mark.parametrize("name", ["includeThoughts", "include_thoughts"])
async def test_a_thought_is_shown_to_who_asks(standin: Standin, name: str) -> None:
    """As a part marked so; members may be named in either case, as Google's own client mixes them."""
    standin.behave("m", THINKING)
    config = {"thinkingConfig": {name: True}}
    answer = whole(await GEMINI.post(standin, generationConfig=config))
    thought, _ = answer["candidates"][0]["content"]["parts"]
    assert thought == {"text": "Let me think about it.", "thought": True}
    first = datas(await GEMINI.post(standin, stream=True, generationConfig=config))[0]
    assert first["candidates"][0]["content"]["parts"] == [thought]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_is_a_part(standin: Standin, stream: bool) -> None:
    """With arguments as an object, whole in a stream too; the first is signed by the thought behind it."""
    standin.behave("m", THINKING)
    heard = await GEMINI.post(standin, stream=stream, **GEMINI.calling)
    answer = datas(heard)[0] if stream else whole(heard)
    (part,) = answer["candidates"][0]["content"]["parts"]
    assert str(part["functionCall"].pop("id")).startswith("call-")
    assert part == {"functionCall": {"name": "lookup", "args": {"id": 0}}, "thoughtSignature": "c2VhbGVkIHRob3VnaHQ="}


@pytest.mark.parametrize(
    ("more", "calls"),
    [
        ({"contents": [{"parts": [{"text": "call lookup"}]}]}, True),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["lookup"]}}}, True),
        ({"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}, False),
        ({"contents": [{"parts": [{"functionResponse": {"name": "lookup", "response": {}}}]}]}, False),
    ],
)
async def test_tools_are_called_when_they_should(standin: Standin, more: dict[str, Any], calls: bool) -> None:
    """By mode or by the user's words; not when forbidden, nor after a result."""
    tools = [{"functionDeclarations": [{"name": "lookup", "parametersJsonSchema": ORDER}]}]
    answer = whole(await GEMINI.post(standin, **{"tools": tools, **more}))
    (part,) = answer["candidates"][0]["content"]["parts"]
    assert ("functionCall" in part) is calls


@pytest.mark.parametrize("schema", [{"responseSchema": GOOGLES_ORDER}, {"responseJsonSchema": ORDER}])
async def test_a_schema_is_kept(standin: Standin, schema: dict[str, Any]) -> None:
    """In Google's words for types, or in JSON Schema's."""
    config = {"responseMimeType": "application/json", **schema}
    answer = whole(await GEMINI.post(standin, generationConfig=config))
    assert answer["candidates"][0]["content"]["parts"] == [{"text": '{"id":0}'}]


async def test_errors_have_googles_body(standin: Standin) -> None:
    """Code, status and message; a spent limit says when to come back."""
    standin.behave("m", ModelBehaviour(fault_script=("rate_limit",), retry_after_seconds=1.5, error_message="no"))
    heard = await GEMINI.post(standin)
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}
    error = {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED", "details": [retry]}
    assert (heard.status, whole(heard)) == (429, {"error": error})


async def test_an_error_is_a_chunk(standin: Standin) -> None:
    """An error object in the place of an answer."""
    standin.behave("m", ModelBehaviour(fault_script=("error_mid_stream",), status=503, error_message="no"))
    *_, last = datas(await GEMINI.post(standin, stream=True))
    assert last == {"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_broken_call_is_a_reason_to_end(standin: Standin, stream: bool) -> None:
    """Arguments are objects here, so a malformed call has no parts, only its reason; it is charged in full."""
    standin.behave("m", ModelBehaviour(fault_script=("bad_tool_arguments",), output_tokens=9))
    heard = await GEMINI.post(standin, stream=stream, **GEMINI.calling)
    (candidate,) = (datas(heard)[-1] if stream else whole(heard))["candidates"]
    assert (candidate["finishReason"], "content" in candidate) == ("MALFORMED_FUNCTION_CALL", False)
    assert standin.counts("m").completion_tokens == 9


async def test_no_choice_is_no_candidate(standin: Standin) -> None:
    """The member is left out, usage is there."""
    standin.behave("m", ModelBehaviour(fault_script=("empty_choices",)))
    assert {*whole(await GEMINI.post(standin))} == {"usageMetadata", "modelVersion", "responseId"}


async def test_tokens_are_counted_for_nothing(standin: Standin) -> None:
    """countTokens takes contents, or a whole request, and charges none."""
    standin.behave("m", ModelBehaviour(prompt_tokens=7))
    for body in (GEMINI.body, {"generateContentRequest": GEMINI.body}):
        heard = await send(standin, request(body, path="/v1beta/models/m:countTokens"))
        assert whole(heard) == {"totalTokens": 7}
    assert standin.counts("m").prompt_tokens == 0


async def test_googles_bounds_are_text(standin: Standin) -> None:
    """Its schemas write 64-bit numbers in quotes."""
    schema = {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "2"}
    config = {"responseMimeType": "application/json", "responseSchema": schema}
    answer = whole(await GEMINI.post(standin, generationConfig=config))
    assert answer["candidates"][0]["content"]["parts"] == [{"text": '["",""]'}]
