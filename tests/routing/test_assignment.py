"""Units and buckets: sticky, nested over a ramp, apart between tenants and between rollouts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.agents import Sticky, StickyKind
from routing.assignment import BUCKETS, LONGEST, bucket, in_canary, is_alone, salt, unit_of

from .samples import facts

WEIGHTS = st.integers(0, BUCKETS)
KINDS: tuple[StickyKind, ...] = ("conversation", "user", "request", "header")
NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,8}", fullmatch=True)


@given(st.text(), st.text(), WEIGHTS, WEIGHTS)
def test_the_canary_units_of_a_weight_keep_the_canary_at_every_larger_weight(
    seed: str, unit: str, one: int, other: int
) -> None:
    """5 % lies inside 25 % inside 50 %, for any two weights and any unit."""
    smaller, larger = sorted((one, other))
    assert in_canary(seed, unit, larger) or not in_canary(seed, unit, smaller)


@given(st.text(), st.text())
def test_nobody_is_in_a_canary_of_nothing_and_everybody_in_one_of_all(seed: str, unit: str) -> None:
    """The ends of the scale are exact."""
    assert not in_canary(seed, unit, 0)
    assert in_canary(seed, unit, BUCKETS)


@given(st.text(), st.text())
def test_a_bucket_stays_what_it_is(seed: str, unit: str) -> None:
    """The same unit under the same salt lies in the same bucket, in 0…9999."""
    assert bucket(seed, unit) == bucket(seed, unit)
    assert 0 <= bucket(seed, unit) < BUCKETS


def test_the_buckets_are_the_same_in_every_process_and_release() -> None:
    """Pinned to what `b2sum -l 64` says: a change would move users between versions in mid-conversation."""
    assert [bucket("support:digest", unit) for unit in ("", "a", "ü", "\ud800")] == [8257, 6443, 8505, 3059]


def test_buckets_are_uniform() -> None:
    """Chi-square of 20,000 units over 100 groups lies within its central 99.9 % (99 degrees of freedom)."""
    counts = [0] * 100
    for unit in range(20_000):
        counts[bucket("support:digest", str(unit)) // 100] += 1
    assert 57 < sum((count - 200) ** 2 / 200 for count in counts) < 154


def test_two_rollouts_draw_their_canary_units_independently() -> None:
    """Of those in one rollout's 50 %, half are in the next one's too: no user is always the first to try."""
    first = [str(unit) for unit in range(20_000) if in_canary(salt("support", "d1"), str(unit), 5000)]
    both = sum(in_canary(salt("support", "d2"), unit, 5000) for unit in first)
    assert both / len(first) == pytest.approx(0.5, abs=0.02)


def test_a_salt_is_new_for_each_canary_and_each_agent() -> None:
    """It is made of what a rollout is about, so that replicas need no store to agree."""
    assert len({salt("support", "d1"), salt("support", "d2"), salt("desk", "d1")}) == 3


@given(NAMES, NAMES, st.sampled_from(KINDS), st.text(), st.text())
def test_tenants_never_share_a_unit(one: str, other: str, kind: StickyKind, value: str, conversation: str) -> None:
    """Whatever two callers send, be it the same user, header or request id, their units differ."""
    sent = {"user": value, "conversation": conversation, "request": value, "headers": {"x-team": value}}
    units = {unit_of(Sticky(kind, "x-team"), facts(caller=caller, **sent)) for caller in (one, other)}
    assert len(units) == len({one, other})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("conversation", {"conversation": "c-2"}),
        ("user", {"user": "bob"}),
        ("request", {"request": "r-2"}),
        ("header", {"headers": {"x-team": "blue"}}),
    ],
)
def test_only_what_is_sticky_moves_a_call_to_another_unit(kind: StickyKind, change: dict[str, object]) -> None:
    """Another user matters to `sticky: user` alone, and so on."""
    sticky = Sticky(kind, "x-team")
    assert unit_of(sticky, facts(**change)) != unit_of(sticky, facts())
    others = [Sticky(other, "x-team") for other in KINDS if other not in (kind, "header")]
    if kind != "conversation":  # which a call without the header falls back to
        others.append(Sticky("header", "x-other"))
    assert all(unit_of(other, facts(**change)) == unit_of(other, facts()) for other in others)


@pytest.mark.parametrize("kind", ["user", "header"])
def test_a_call_without_user_or_header_keeps_to_its_conversation(kind: StickyKind) -> None:
    """The anonymous are not all one unit."""
    anonymous = facts(user="")
    assert unit_of(Sticky(kind, "x-team"), anonymous) == unit_of(Sticky(), anonymous)


def test_a_user_named_like_a_conversation_is_another_unit() -> None:
    """The kind is part of the unit."""
    assert unit_of(Sticky("user"), facts(user="c-1")) != unit_of(Sticky("user"), facts(user="", conversation="c-1"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_is_short(kind: StickyKind) -> None:
    """However long a client's text is, its unit is not, and texts that differ at their end are two units."""
    units = set()
    for text in ("x" * LONGEST, "x" * (LONGEST + 1), "x" * 1_000_000, "x" * 1_000_000 + "y", "x" * LONGEST + "\ud800"):
        given = facts(user=text, conversation=text, request=text, headers={"x-user": text})
        units.add(unit_of(Sticky(kind, "x-user" if kind == "header" else ""), given))
    assert len(units) == 5 and max(map(len, units)) < LONGEST + 50


@pytest.mark.parametrize("kind", ["conversation", "user", "header"])
def test_no_name_that_a_client_sends_makes_a_single_call(kind: StickyKind) -> None:
    """Whatever it holds: its conversation keeps its version like any other."""
    name = "\0request\0x"
    sent = facts(conversation=name, user=name, headers={"x-tenant": name}, caller="")
    assert not is_alone(unit_of(Sticky(kind, "x-tenant"), sent))
    assert is_alone(unit_of(Sticky("request"), sent)) and is_alone(
        unit_of(Sticky("conversation"), facts(conversation=""))
    )
