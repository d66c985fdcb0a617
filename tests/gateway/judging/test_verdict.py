"""A judge's verdict on a call, as the store keeps it."""

import orjson

from gateway.judging.verdict import JudgeVerdict, decode, encode

_VERDICT = JudgeVerdict("c" * 52, "ab" * 8, "support", "v2", "canary", 0.25, False, "rude", "0f" * 32, 1_200, 1.5e9)


def test_a_verdict_is_read_back_as_it_was_written() -> None:
    """What is written for the store is read back whole."""
    assert decode(encode(_VERDICT)) == _VERDICT


def test_members_of_a_newer_release_are_read_over() -> None:
    """A replica of another release reads the verdict without what it does not know."""
    newer = orjson.dumps({**orjson.loads(encode(_VERDICT)), "panel": 3}).decode()
    assert decode(newer) == _VERDICT
