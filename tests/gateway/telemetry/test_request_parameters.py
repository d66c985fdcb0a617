"""Parameters of requests on spans: a client's in any format, and what its version sets in their place."""

import json
import tracemalloc
from typing import Any

import pytest

from gateway.formats.applied import AppliedVersion
from gateway.telemetry.request_parameters import AskedParameters, kept_parameters, parameters_of
from routing.agents import AgentVersion
from routing.chain import Target

EXPECTED = {
    "gen_ai.request.temperature": 1.0, "gen_ai.request.max_tokens": 5, "gen_ai.request.top_p": 0.5,
    "gen_ai.request.stop_sequences": ("END",), "gen_ai.output.type": "json",
}  # fmt: skip


def texts(values: dict[str, Any]) -> dict[str, str]:
    """Members as a request has them."""
    return {name: json.dumps(value) for name, value in values.items()}


def read(values: dict[str, Any], applied: AppliedVersion | None = None) -> dict[str, Any]:
    """Keep the parameters of a request, and read them back."""
    return parameters_of(AskedParameters(kept_parameters(texts(values)), applied))


@pytest.mark.parametrize(
    "values",
    [
        {"max_completion_tokens": 5, "stop": "END", "response_format": {"type": "json_schema", "json_schema": {}}},
        {"max_output_tokens": 5, "stop": ["END"], "text": {"format": {"type": "json_object"}}},
        {"max_tokens": 5, "stop_sequences": ["END"], "output_config": {"format": {"type": "json_schema"}}},
        {
            "generation_config": {"max_output_tokens": 5, "stop_sequences": ["END"]},
            "response_mime_type": "application/json",
        },
    ],
)  # fmt: skip
def test_in_each_format(values: dict[str, Any]) -> None:
    """By the conventions' names and types, whatever the client's format calls them."""
    found = read({"messages": [], "temperature": 1, "top_p": 0.5, **values})
    assert found == EXPECTED
    assert [type(found[f"gen_ai.request.{name}"]) for name in ("temperature", "max_tokens")] == [float, int]


def test_in_geminis_format() -> None:
    """All stand one level deeper there."""
    config = {"temperature": 1, "topP": 0.5, "maxOutputTokens": 5, "stopSequences": ["END"]}
    config |= {"responseMimeType": "application/json"}
    assert read({"contents": [], "generationConfig": config}) == EXPECTED


def test_the_others() -> None:
    """Seed, penalties and the like; one choice is what everybody means, and is left out."""
    sent = {"seed": 7, "frequency_penalty": 0.1, "presencePenalty": -1, "top_k": 40, "n": 3}
    assert read({**sent, "encoding_format": "base64", "dimensions": 256}) == {
        "gen_ai.request.seed": 7, "gen_ai.request.frequency_penalty": 0.1, "gen_ai.request.presence_penalty": -1.0,
        "gen_ai.request.top_k": 40.0, "gen_ai.request.choice.count": 3,
        "gen_ai.request.encoding_formats": ("base64",), "gen_ai.embeddings.dimension.count": 256,
    }  # fmt: skip
    assert read({"n": 1}) == {}


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": "hot", "seed": True, "n": 2**70, "max_tokens": 2.5, "generationConfig": [1]},
        {"stop": [1, {}], "response_format": [], "text": "json", "top_p": None, "generation_config": {"stop": 1}},
    ],
)
def test_what_has_another_type(values: dict[str, Any]) -> None:
    """A client may send anything; what a span cannot hold is left out."""
    assert read(values) == {}


def test_what_the_version_sets() -> None:
    """It goes before the client's; what the client may set fills in what it left out."""
    parameters = {"temperature": json.dumps(0.2), "max_tokens": json.dumps(9), "top_p": json.dumps(0.1)}
    version = AgentVersion("v1", Target("p", "m"), parameters=parameters, client_may_set=frozenset({"top_p"}))
    applied = AppliedVersion.of(version)
    found = read({"temperature": 1, "max_completion_tokens": 5}, applied)
    assert found == {
        "gen_ai.request.temperature": 0.2, "gen_ai.request.max_tokens": 9, "gen_ai.request.top_p": 0.1
    }  # fmt: skip
    assert read({"top_p": 1}, applied)["gen_ai.request.top_p"] == 1.0


def test_long_texts_are_cut() -> None:
    """Neither a hostile client's long texts, nor its very many, go into spans; lone surrogates are replaced."""
    found = read({"stop": ["x" * 1_000] * 5 + ["\ud800"] * 50})["gen_ai.request.stop_sequences"]
    assert (len(found), len(found[0]), found[-1]) == (16, 64, "?")


def test_what_is_held() -> None:
    """Of a long request its parameters alone wait with the call, none beyond some kilobytes."""
    sent = texts({"messages": ["x" * 1_000_000], "temperature": 1, "stop": ["y" * 100_000]})
    tracemalloc.start()
    kept = kept_parameters(sent)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept == {"temperature": "1"} and held < 2_000
