"""What a `usage` of Anthropic's says of the prompt cache."""

from gateway.calls import Usage
from gateway.formats.anthropic._shared import usage, usage_members

WRITTEN = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 1,
}


def test_what_was_written_for_an_hour() -> None:
    """Known apart, told on, and kept where a stream's later usage does not repeat it."""
    said = usage(WRITTEN)
    assert said == Usage(8, 0, 1, cache_written=5, cache_written_1h=4)
    assert usage_members(said)["cache_creation"] == WRITTEN["cache_creation"]
    assert usage({"output_tokens": 9}, said) == Usage(8, 0, 9, cache_written=5, cache_written_1h=4)


def test_nonsense() -> None:
    """Never more than was written at all; what is no object is nothing."""
    said = usage({**WRITTEN, "cache_creation": {"ephemeral_1h_input_tokens": 99}})
    assert said is not None and said.cache_written_1h == 5
    said = usage({**WRITTEN, "cache_creation": 4})
    assert said is not None and said.cache_written_1h == 0
    assert "cache_creation" not in usage_members(said)
