"""What a client of this format gets, literally."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import Usage
from gateway.formats.answer import (
    Begin,
    End,
    Event,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Stop,
    TextDelta,
    ToolBegin,
    ToolDelta,
)
from gateway.formats.gemini.client import CLIENT
from gateway.formats.gemini.provider import PROVIDER
from gateway.formats.prompt import Media, Part, Prompt, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from tests.gateway.formats.gemini.recordings import followed, raw
from tests.gateway.formats.prompts import WORDS

ENVELOPE = Envelope("call-1", "gemini-3-pro", 1_700_000_000, Prompt(()))
GIVEN = {"modelVersion": "gemini-3-pro", "responseId": "call-1"}
UNSIGNED = "skip_thought_signature_validator"
LOGPROBS = [{"token": "Hi", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}]
RESULT = {
    "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
    "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -1.5}]}],
}


def whole(*parts: Part, stop: Stop = "stop", usage: Usage | None = None) -> Any:
    return json.loads(CLIENT.reply(Reply(parts, stop, usage), ENVELOPE))


def streamed(*events: Event) -> list[Any]:
    writer = CLIENT.writer(ENVELOPE)
    stream = b"".join(writer.write(event) for event in events)
    assert stream == b"" or stream.endswith(b"\r\n\r\n")
    return [json.loads(event.removeprefix(b"data: ")) for event in stream.split(b"\r\n\r\n")[:-1]]


def test_a_whole_answer_has_googles_shape() -> None:
    """Candidates exclude thoughts, and another model's first call carries the placeholder."""
    parts = (
        Reasoning("hm", "x", signed_by="anthropic"),
        Text("Hi"),
        ToolCall("a", "f", '{"x":1}'),
        ToolCall("b", "g", ""),
    )
    assert whole(*parts, stop="tool_calls", usage=Usage(10, 3, 20, 5)) == {
        "candidates": [{
            "content": {"role": "model", "parts": [
                {"text": "hm", "thought": True},
                {"text": "Hi"},
                {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": UNSIGNED},
                {"functionCall": {"id": "b", "name": "g", "args": {}}},
            ]},
            "finishReason": "STOP",
            "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": 10, "cachedContentTokenCount": 3, "candidatesTokenCount": 15, "thoughtsTokenCount": 5,
            "totalTokenCount": 30,
        },
        **GIVEN,
    }  # fmt: skip


def test_a_filtered_answer_may_be_empty() -> None:
    """As Google's own are."""
    assert whole(stop="content_filter") == {
        "candidates": [{"content": {"role": "model"}, "finishReason": "SAFETY", "index": 0}], **GIVEN
    }  # fmt: skip


def test_signatures_refusals_images_and_log_probabilities_have_a_place() -> None:
    """A signature alone stands in an empty part."""
    candidate = whole(
        Text("Hi", logprobs=LOGPROBS),
        Reasoning(signature="c2ln", signed_by="gemini"),
        Refusal("No."),
        Media("image", "image/png", "aaaa"),
        Media("image", "image/png", url="https://a.org/b"),
        stop="refusal",
    )["candidates"][0]
    assert (candidate["finishReason"], candidate["logprobsResult"]) == ("SAFETY", RESULT)
    assert candidate["content"]["parts"] == [
        {"text": "Hi"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "No."},
        {"inlineData": {"mimeType": "image/png", "data": "aaaa"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://a.org/b"}},
    ]


def test_a_stream_is_chunks_and_its_calls_come_whole() -> None:
    """Deltas of calls may interleave; the last chunk has them, the reason and the usage."""
    chunks = streamed(
        Begin("x", "y", Usage(9)),
        ReasoningDelta("hm"),
        ReasoningDelta(signature="x", signed_by="anthropic"),
        TextDelta("Hi", LOGPROBS),
        TextDelta(""),
        RefusalDelta("No."),
        ToolBegin(0, "a", "f"),
        ToolDelta(0, '{"x"'),
        ToolBegin(1, "b", "g", "c2ln", "gemini"),
        ToolDelta(0, ":1}"),
        End("tool_calls", Usage(10, 0, 20)),
    )
    calls = [
        {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": UNSIGNED},
        {"functionCall": {"id": "b", "name": "g", "args": {}}, "thoughtSignature": "c2ln"},
    ]
    assert [chunk["candidates"][0]["content"]["parts"] for chunk in chunks] == [
        [{"text": "hm", "thought": True}],
        [{"text": "Hi"}],
        [{"text": "No."}],
        calls,
    ]
    assert chunks[1] == {
        "candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "index": 0, "logprobsResult": RESULT}],
        **GIVEN,
    }
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert chunks[-1]["usageMetadata"] == {"promptTokenCount": 10, "candidatesTokenCount": 20, "totalTokenCount": 30}


def test_a_plain_end_is_an_empty_text() -> None:
    """As Google's own streams end; the usage of the beginning counts where the end has none."""
    assert streamed(Begin(usage=Usage(9)), End("length")) == [
        {
            "candidates": [
                {"content": {"parts": [{"text": ""}], "role": "model"}, "index": 0, "finishReason": "MAX_TOKENS"}
            ],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 0, "totalTokenCount": 9},
            **GIVEN,
        }
    ]


def test_a_documented_answer_is_written_as_it_was_read() -> None:
    """Parts, reason and usage."""
    reply = PROVIDER.reply(raw("answer.json"))
    written = json.loads(CLIENT.reply(reply, ENVELOPE))
    assert PROVIDER.reply(json.dumps({**written, "responseId": reply.id}).encode()) == reply


@given(st.lists(WORDS, max_size=3), WORDS, st.sampled_from(["{}", '{"a":[1,null]}']))
def test_a_stream_written_and_read_again_says_the_same(texts: list[str], thought: str, arguments: str) -> None:
    """What Gemini's clients see is what was said."""
    said: list[Event] = [
        ReasoningDelta(thought),
        *map(TextDelta, texts),
        ToolBegin(0, "a", "f", "c2ln", "gemini"),
        ToolDelta(0, arguments),
        End("tool_calls", Usage(3, 1, 5, 2)),
    ]
    writer = CLIENT.writer(ENVELOPE)
    read = followed([writer.write(event) for event in (Begin(), *said)])
    assert read == [Begin("call-1", "gemini-3-pro"), *said]
