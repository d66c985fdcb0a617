"""A provider's stream, chunk by chunk."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Begin, End, Event, ReasoningDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.gemini.provider import PROVIDER
from tests.gateway.formats.gemini.hostile import HOSTILE
from tests.gateway.formats.gemini.recordings import followed, raw

RECORDED: list[Event] = [
    Begin("aBc-125", "gemini-3-pro"),
    ReasoningDelta("Two cities."),
    TextDelta("Let me \u2028 "),
    TextDelta("look."),
    ToolBegin(0, "call_aBc-125_0", "get_weather", "c2lnbmVk", "gemini"),
    ToolDelta(0, '{"city":"Paris"}'),
    ToolBegin(1, "call_aBc-125_1", "get_weather"),
    ToolDelta(1, '{"city":"London"}'),
    End("tool_calls", Usage(120, 100, 80, 50)),
]


def chunks(*values: Any) -> list[Event]:
    parser = PROVIDER.parser()
    events = [event for value in values for event in parser.take("", json.dumps(value).encode())]
    return [*events, *parser.end()]


def chunk(*parts: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, **members}]}


def test_a_documented_stream_cut_at_every_byte_says_the_same() -> None:
    """However the network cuts it, with whichever line ends."""
    for stream in (raw("stream.sse"), raw("stream.sse").replace(b"\r\n", b"\n")):
        assert followed([stream]) == RECORDED
        assert followed([stream[index : index + 1] for index in range(len(stream))]) == RECORDED
        assert all(followed([stream[:cut], stream[cut:]]) == RECORDED for cut in range(len(stream)))


def test_usage_is_known_before_the_end() -> None:
    """Every chunk tells it, and the last one counts."""
    parser = PROVIDER.parser()
    parser.take("", json.dumps({**chunk(), "usageMetadata": {"promptTokenCount": 3}}).encode())
    assert parser.usage == Usage(3)
    parser.take("", json.dumps(chunk({"text": "a"})).encode())
    assert parser.usage == Usage(3)


def test_a_stream_without_a_reason_has_no_end() -> None:
    """It broke off: whoever reads it can tell."""
    assert chunks(chunk({"text": "a"})) == [Begin(), TextDelta("a")]


def test_older_servers_give_a_reason_with_every_chunk() -> None:
    """The answer ends with the stream, not with the first of them."""
    first, second = chunk({"text": "a"}, finishReason="STOP"), chunk({"text": "b"}, finishReason="MAX_TOKENS")
    assert chunks(first, second) == [Begin(), TextDelta("a"), TextDelta("b"), End("length")]


def test_a_blocked_prompt_ends_at_once() -> None:
    """With nothing said."""
    assert chunks(json.loads(raw("blocked.json"))) == [
        Begin("aBc-124", "gemini-3-pro"),
        End("content_filter", Usage(9)),
    ]


def test_a_signature_in_an_empty_text_is_kept() -> None:
    """So Google sends the one of the text before."""
    events = chunks(chunk({"text": "a"}), chunk({"text": "", "thoughtSignature": "c2ln"}, finishReason="STOP"))
    assert events[2:] == [ReasoningDelta("", "c2ln", signed_by="gemini"), End("stop")]


def test_another_candidate_says_nothing() -> None:
    """Only the first one is the answer."""
    other = {"candidates": [{"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}]}
    assert chunks(chunk({"text": "a"}), other) == [Begin(), TextDelta("a")]


@pytest.mark.parametrize(
    ("value", "kind", "status"),
    [
        ({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, "error_in_answer", 503),
        ({"error": {"message": "quota", "status": "RESOURCE_EXHAUSTED"}}, "error_in_answer", 429),
        ({"error": {"code": 403, "message": "key AIza is off"}}, "error_in_answer", 502),
        ({"error": "broken"}, "error_in_answer", 502),
        (chunk(finishReason="MALFORMED_FUNCTION_CALL"), "error_in_answer", 502),
        (chunk(finishReason="OTHER"), "error_in_answer", 502),
        ([], "malformed", 502),
        ("[DONE", "malformed", 502),
    ],
)
def test_an_error_in_a_stream_is_told(value: Any, kind: str, status: int) -> None:
    """With the status that it names; what is about our key is not shown."""
    with pytest.raises(ProviderError) as failed:
        chunks(value)
    assert (failed.value.kind, failed.value.status) == (kind, status)
    assert "AIza" not in failed.value.message + str(failed.value.body)


def test_comments_and_an_end_marker_say_nothing() -> None:
    """Google sends neither; servers that resemble it may."""
    parser = PROVIDER.parser()
    assert [*parser.take("", b""), *parser.take("", b"[DONE]"), *parser.end()] == []


@given(st.lists(HOSTILE, max_size=3), HOSTILE)
def test_hostile_streams_raise_nothing_but_provider_errors(values: list[Any], parts: Any) -> None:
    """Whatever JSON a provider sends."""
    for each in ([{"candidates": values}], values, [chunk(), {"candidates": [{"content": {"parts": parts}}]}]):
        try:
            assert sum(isinstance(event, End) for event in chunks(*each)) <= 1
        except ProviderError as error:
            assert error.message
