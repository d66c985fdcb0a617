"""The fallback chain: in order, and no target twice."""

from hypothesis import given
from hypothesis import strategies as st

from routing.chain import HUMAN, Link, Target, chain

TARGETS = st.builds(Target, st.sampled_from("ab"), st.sampled_from("xy"))
LINKS: st.SearchStrategy[Link] = st.one_of(TARGETS, st.just(HUMAN))


def test_a_target_is_written_as_provider_and_model() -> None:
    """The model keeps its own slashes."""
    assert str(Target("house", "meta/llama")) == "house/meta/llama"


@given(TARGETS, st.lists(LINKS))
def test_the_chain_begins_with_the_version_and_holds_every_link_once(first: Target, fallback: list[Link]) -> None:
    """A target that failed is not tried again further down."""
    links = chain(first, fallback)
    assert links[0] == first
    assert len(set(links)) == len(links)
    assert set(links) == {first, *fallback}


@given(TARGETS, st.lists(LINKS, unique=True))
def test_the_chain_keeps_the_order_of_the_fallback(first: Target, fallback: list[Link]) -> None:
    """The operator's order is the order of the attempts."""
    assert [link for link in fallback if link != first] == list(chain(first, fallback)[1:])
