"""What the servers of chat completions say that an answer has used: five dialects, one reading."""

import json
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import FormatName, MediaTokens, Usage
from gateway.formats.openai_chat.provider_stream import ChatParser, StreamReader
from gateway.formats.openai_usage import usage_from
from gateway.formats.registry import PROVIDERS
from gateway.passthrough.usage_meter import Meter
from gateway.pricing import PriceBook, Rate

Body = dict[str, Any]
# Prices in dollars per million tokens: 1 for input, 0.1 for what was cached, 2 for what is written to a cache.
RATE = Rate(1_000_000, 100_000, 10_000_000, 2_000_000, 2_000_000, 10_000_000)

# name: (usage, its reading, its cost in nano-dollars)
DIALECTS: dict[str, tuple[Body, Usage, int]] = {
    "OpenAI": (
        {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000,
         "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 900}},
        Usage(1000, 0, 0, cache_written=900), 1_900_000,
    ),
    "DeepSeek": (
        {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000,
         "prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100},
        Usage(1000, 900, 0), 190_000,
    ),
    "xAI": (
        {"prompt_tokens": 10_120, "completion_tokens": 1499, "total_tokens": 14_428,
         "completion_tokens_details": {"reasoning_tokens": 2809}},
        Usage(10_120, 0, 4308, 2809), 10_120_000 + 43_080_000,
    ),
    "Google": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115}, Usage(10, 0, 105), 10_000 + 1_050_000,
    ),
    "Moonshot": (
        {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000, "cached_tokens": 900},
        Usage(1000, 900, 0), 190_000,
    ),
    "LiteLLM": (
        {"prompt_tokens": 1000, "completion_tokens": 0, "cache_read_input_tokens": 100,
         "cache_creation_input_tokens": 800},
        Usage(1000, 100, 0, cache_written=800), 100_000 + 10_000 + 1_600_000,
    ),
    "Perplexity": (
        {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "reasoning_tokens": 7},
        Usage(10, 0, 20, 7), 210_000,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect(name: str) -> None:
    """Each is read, and costs what its provider charges."""
    said, read, nano_usd = DIALECTS[name]
    assert usage_from(said) == read and RATE.cost(read) == nano_usd


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_whole_streamed_and_passed_on(name: str) -> None:
    """An answer is charged alike, whether it is translated, relayed or passed through, whole or streamed."""
    said, read, _ = DIALECTS[name]
    message = {"index": 0, "message": {"content": "x"}, "delta": {"content": "x"}, "finish_reason": "stop"}
    body = json.dumps({"choices": [message], "usage": said}).encode()
    parser, reader, meter = ChatParser(), StreamReader(False), Meter(counts=True)
    parser.take("", body)
    reader.feed(b"data: " + body + b"\n\n")
    meter.begin([(b"content-type", b"application/json")])
    meter.feed(body)
    assert read == PROVIDERS["openai"].reply(body).usage == parser.usage == reader.usage == meter.usage()


def test_a_passed_answer_in_the_words_of_responses() -> None:
    """What a passed answer wrote into a cache, and thought, is charged too."""
    meter = Meter(counts=True)
    meter.begin([(b"content-type", b"application/json")])
    details = {"cached_tokens": 1, "cache_write_tokens": 2}
    usage = {"input_tokens": 9, "output_tokens": 5, "input_tokens_details": details,
             "output_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    meter.feed(json.dumps({"usage": usage}).encode())
    assert meter.usage() == Usage(9, 1, 5, 3, cache_written=2)


@pytest.mark.parametrize("usage", [{"total_tokens": 9}, {"prompt_tokens": 9, "total_tokens": 9}])
def test_embeddings_have_no_output(usage: Body) -> None:
    """A total without a completion makes none: embeddings have no output, and no price for it."""
    found = usage_from(usage)
    assert found is not None and found.output == 0


counts: st.SearchStrategy[Any] = st.one_of(st.integers(-1, 2000), st.sampled_from([None, "7", True, 1e308, []]))
members = st.sampled_from(
    ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
     "prompt_cache_hit_tokens", "cache_creation_input_tokens", "audio_tokens", "image_tokens", "cached_tokens_details"]
)  # fmt: skip
flat = st.dictionaries(members, counts)


@given(flat, flat, flat)
def test_parts_are_never_more_than_their_whole(usage: Body, taken: Body, made: Body) -> None:
    """Whatever a server says, what was cached, written and thought fits into the sums."""
    found = usage_from({**usage, "prompt_tokens_details": taken, "completion_tokens_details": made})
    assert found is not None and min(count for count in astuple(found) if isinstance(count, int)) >= 0
    media = found.media or MediaTokens()
    assert min(media) >= 0 and media.cached_audio <= media.input_audio and media.cached_image <= media.input_image
    assert (
        media.input_audio + media.input_image <= found.input and media.output_audio + media.output_image <= found.output
    )
    assert found.cached + found.cache_written <= found.input and found.reasoning <= found.output


# format: an answer, its usage and how it was served.
SERVED: dict[FormatName, Body] = {
    "openai": {
        "choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}], "service_tier": "priority",
        "usage": {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17,
                  "prompt_tokens_details": {"audio_tokens": 5}, "completion_tokens_details": {"audio_tokens": 4}},
    },
    "openai-responses": {
        "status": "completed", "service_tier": "priority", "usage": {"input_tokens": 9, "output_tokens": 8},
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}],
    },
    "anthropic": {
        "type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 8, "service_tier": "priority"},
    },
    "gemini": {
        "candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 8, "serviceTier": "SERVICE_TIER_PRIORITY",
                          "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4},
                                                  {"modality": "AUDIO", "tokenCount": 5}],
                          "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}]},
    },
    "gemini-interactions": {
        "status": "completed", "steps": [{"type": "model_output", "content": [{"type": "text", "text": "x"}]}],
        "service_tier": "priority",
        "usage": {"total_input_tokens": 9, "total_output_tokens": 8, "total_tokens": 17,
                  "input_tokens_by_modality": [{"modality": "text", "tokens": 4}, {"modality": "audio", "tokens": 5}],
                  "output_tokens_by_modality": [{"modality": "audio", "tokens": 4}]},
    },
    "bedrock": {
        "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 9, "outputTokens": 8}, "serviceTier": {"type": "priority"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_tier_that_served_is_read(name: FormatName) -> None:
    """Each format says it in its own place, and the recordings where it has them."""
    usage = PROVIDERS[name].reply(json.dumps(SERVED[name]).encode()).usage
    assert usage is not None and (usage.input, usage.output, usage.tier) == (9, 8, "priority")
    heard = MediaTokens(input_audio=5, output_audio=4) if name in ("openai", "gemini", "gemini-interactions") else None
    assert usage.media == heard


@pytest.mark.parametrize("name", ["openai", "anthropic"])
@pytest.mark.parametrize("word", ["default", "standard", "auto", "on_demand", "", None, 7, "unheard-of"])
def test_the_usual_tier_is_none(name: FormatName, word: object) -> None:
    """A word that nobody knows does not take away a price."""
    answer = json.loads(json.dumps(SERVED[name]))
    (answer if name == "openai" else answer["usage"])["service_tier"] = word
    usage = PROVIDERS[name].reply(json.dumps(answer).encode()).usage
    assert usage is not None and usage.tier == ""


def test_a_streams_tier_is_read_in_every_way() -> None:
    """Relayed, translated and passed through."""
    chunk = {**SERVED["openai"], "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}
    body = json.dumps(chunk).encode()
    parser, reader, meter = ChatParser(), StreamReader(False), Meter(counts=True)
    parser.take("", body)
    reader.feed(b"data: " + body + b"\n\n")
    meter.begin([(b"content-type", b"application/json")])
    meter.feed(body)
    for usage in (parser.usage, reader.usage, meter.usage()):
        assert usage is not None and usage.tier == "priority" and usage.media is not None


def test_anthropics_fast_speed_is_a_tier() -> None:
    """It costs several times as much; the closing event of a stream does not repeat it."""
    parser = PROVIDERS["anthropic"].parser()
    usage = {"input_tokens": 9, "output_tokens": 1, "speed": "fast", "service_tier": "standard"}
    start = {"type": "message_start", "message": {"id": "m", "usage": usage}}
    for event in (
        start,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 8}},
    ):
        parser.take("", json.dumps(event).encode())
    assert parser.usage is not None and (parser.usage.output, parser.usage.tier) == (8, "fast")


def test_images_that_are_given_have_a_price_of_their_own() -> None:
    """An edited image's usage, as OpenAI's endpoints for images say it."""
    usage = {
        "input_tokens": 1000,
        "output_tokens": 0,
        "input_tokens_details": {"image_tokens": 900, "text_tokens": 100},
    }
    meter = Meter(counts=True)
    meter.begin([(b"content-type", b"application/json")])
    meter.feed(json.dumps({"usage": usage}).encode())
    assert (found := meter.usage()) is not None and found.media == MediaTokens(input_image=900)
    assert PriceBook().cost("openai/gpt-image-1", found, 1.8e9) == 100 * 5_000 + 900 * 10_000
