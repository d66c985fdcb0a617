"""The fallback chain: in order, and no target twice."""

from hypothesis import given
from hypothesis import strategies as st

from routing.chain import HUMAN, ChainTarget, Target, chain

TARGETS = st.builds(Target, st.sampled_from("ab"), st.sampled_from("xy"))
CHAIN_TARGETS: st.SearchStrategy[ChainTarget] = st.one_of(TARGETS, st.just(HUMAN))


def test_a_target_is_written_as_provider_and_model() -> None:
    """The model keeps its own slashes."""
    assert str(Target("house", "meta/llama")) == "house/meta/llama"


@given(TARGETS, st.lists(CHAIN_TARGETS))
def test_the_chain_begins_with_the_version_and_holds_every_link_once(
    first: Target, fallback: list[ChainTarget]
) -> None:
    """A target that failed is not tried again further down."""
    targets = chain(first, fallback)
    assert targets[0] == first
    assert len(set(targets)) == len(targets)
    assert set(targets) == {first, *fallback}


@given(TARGETS, st.lists(CHAIN_TARGETS, unique=True))
def test_the_chain_keeps_the_order_of_the_fallback(first: Target, fallback: list[ChainTarget]) -> None:
    """The operator's order is the order of the attempts."""
    assert [target for target in fallback if target != first] == list(chain(first, fallback)[1:])
