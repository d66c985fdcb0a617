"""`traceparent`, ids of spans, and samplers."""

import secrets

import pytest

from gateway.rollout.call_id import mint, place
from gateway.telemetry.sampling import Sampler
from gateway.telemetry.trace_context import (
    CHAT_SPAN,
    EVALUATION_SPAN,
    SERVER_SPAN,
    SHADOW,
    RemoteParent,
    attempt_span_id,
    nonce_in,
    own_trace_id,
    remote_parent,
    span_id,
    tool_span_id,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [(f"00-{TRACE}-{SPAN}-01", True), (f"00-{TRACE}-{SPAN}-02", False), (f"cc-{TRACE}-{SPAN}-03-what-comes", True)],
)
def test_parent(header: str, sampled: bool) -> None:
    """A valid header is understood, of a later version too."""
    assert remote_parent(header) == RemoteParent(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "", "x", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more", f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-1", f"00-{TRACE}-{SPAN}-01\n",
    ],
)  # fmt: skip
def test_no_parent(header: str) -> None:
    """An invalid one is as good as none (W3C Trace Context, 3.2.2)."""
    assert remote_parent(header) is None


def test_ids() -> None:
    """No two spans of a call, nor of its shadow, have one id; a call's id leads to them."""
    nonce = secrets.token_bytes(8)
    ids = [span_id(nonce, number) for number in (SERVER_SPAN, CHAT_SPAN, EVALUATION_SPAN, SHADOW + CHAT_SPAN)]
    ids += [attempt_span_id(nonce, index, is_shadow=shadow) for index in range(3) for shadow in (False, True)]
    ids.append(tool_span_id(nonce, "call_1"))
    assert len(set(ids)) == len(ids) and {len(each) for each in ids} == {16}
    assert len(own_trace_id(nonce)) == 32 and own_trace_id(nonce) != own_trace_id(secrets.token_bytes(8))


def test_nonce() -> None:
    """The nonce stands in a call's id, minted or not; anything else has none."""
    nonce = secrets.token_bytes(8)
    minted = mint(place("agent", "v1", None, False, 1, 1), "0" * 16, "key", nonce, b"secret")
    assert nonce_in(minted) == nonce_in(nonce.hex()) == nonce
    assert [nonce_in(each) for each in ("", "x", "zz" * 8, "é" * 52)] == [None] * 4


def test_ratio() -> None:
    """A share of the traces is sampled, each always or never."""
    sampler, ids = Sampler(0.1), [own_trace_id(number.to_bytes(8)) for number in range(4_000)]
    assert 320 < sum(sampler.is_sampled(each, None) for each in ids) < 480
    assert [Sampler(0.1).is_sampled(each, None) for each in ids] == [sampler.is_sampled(each, None) for each in ids]


@pytest.mark.parametrize(("sampler", "heeds"), [(Sampler(0.0), True), (Sampler(1.0, False), False)])
def test_parent_based(sampler: Sampler, heeds: bool) -> None:
    """A client's decision comes first, if the sampler is one that heeds it."""
    for sampled in (True, False):
        expected = sampled if heeds else True
        assert sampler.is_sampled(TRACE, RemoteParent(TRACE, SPAN, sampled)) is expected
