"""Which openings many calls share: counted within bounds, said in a sentence, and forgotten in time."""

import sys

from gateway.rollout.openings import FADE_SECONDS, MOST_OPENINGS, SHARED_FROM, SharedOpenings


class Stage:
    """Openings whose time passes by hand."""

    def __init__(self, most: int = MOST_OPENINGS) -> None:
        self.now = 0.0
        self.openings = SharedOpenings(lambda: self.now, most)

    def say(self, opening: str, times: int) -> bool:
        """So many calls begin with that; whether the last one shares it."""
        return [self.openings.note("support", opening) for _ in range(times)][-1] >= SHARED_FROM


def test_an_opening_is_shared_from_the_tenth_call_on() -> None:
    """Each agent's by itself."""
    here = Stage()
    assert not here.say("hi", SHARED_FROM - 1)
    assert here.say("hi", 1)
    assert not here.say("hello", 1) and here.openings.note("other", "hi") == 1


def test_the_share_is_said_with_the_way_out() -> None:
    """Nothing is said where nothing is shared."""
    here = Stage()
    assert here.openings.sentence("support") is None
    here.say("hi", 30)
    for number in range(10):
        here.say(f"question {number}", 1)
    assert "75% of the calls that begin a conversation have the same beginning" in str(
        here.openings.sentence("support")
    )
    assert "x-conversation-id" in str(here.openings.sentence("support"))
    here.say("hello", 20)
    assert "one of 2 beginnings" in str(here.openings.sentence("support"))


def test_what_is_shared_no_more_is_forgotten() -> None:
    """Some half hours later, if other calls come."""
    here = Stage()
    here.say("hi", 12)
    for number in range(4):
        here.now += FADE_SECONDS
        here.say(f"other {number}", SHARED_FROM - 1)
        here.say("more", 12)
    assert not here.say("hi", 1) and here.say("more", 1)


def test_nothing_is_said_of_openings_long_ago() -> None:
    """Also where no call is counted any more."""
    here = Stage()
    here.say("hi", 12)
    for _ in range(4):
        here.now += FADE_SECONDS
        said = here.openings.sentence("support")
    assert said is None


def test_counts_are_bounded_and_the_frequent_stay() -> None:
    """However many openings there are."""
    here = Stage(most=100)
    for number in range(3_000):
        here.say(f"question {number}", 1)
        if number % 20 == 0:
            here.say("hi", 1)
    counts = here.openings._agents["support"].counts
    assert len(counts) <= 100 and sys.getsizeof(counts) < 20_000
    assert here.say("hi", 1)


def test_one_id_for_many_calls_is_said() -> None:
    """With its share of the calls that seem to begin a conversation; an id of another caller is another one."""
    here = Stage()
    for number in range(100):
        here.openings.note_id("support", "web", "constant" if number % 2 else f"session {number}", 1)
        here.openings.note_id("support", f"caller {number}", "constant", 1)
    assert "25% of the calls that seem to begin a conversation carry one id" in str(here.openings.sentence("support"))


def test_nothing_is_said_of_a_history_that_grows() -> None:
    """A chat under its id goes on; a template with examples under one id for everybody begins anew with each call."""
    here = Stage()
    for turn in range(60):
        here.openings.note_id("support", "web", "a chat", 2 * turn + 1)
    assert here.openings.sentence("support") is None
    for _ in range(60):
        here.openings.note_id("support", "web", "a template", 3)
    assert "98% of the calls" in str(here.openings.sentence("support"))


def test_nothing_is_said_of_an_id_long_ago() -> None:
    """Also where every call has an id."""
    here = Stage()
    for number in range(400):
        here.now += FADE_SECONDS / 20
        here.openings.note_id("support", "web", "constant" if number < 40 else f"session {number}", 1)
    assert here.openings.sentence("support") is None


def test_histories_are_counted_beside_openings() -> None:
    """A template is part of the share; a history of a conversation is not."""
    here = Stage()
    for number in range(30):
        here.openings.note_history("support", "template")
        here.openings.note_history("support", f"turn {number}")
        here.say(f"question {number}", 1)
    assert here.openings.is_shared("support", "template") and not here.openings.is_shared("support", "turn 1")
    assert "50% of the calls that begin a conversation have" in str(here.openings.sentence("support"))


def test_counts_of_ids_and_histories_are_bounded() -> None:
    """Like those of openings; the frequent stay."""
    here = Stage(most=100)
    for number in range(3_000):
        here.openings.note_history("support", f"turn {number}")
        here.openings.note_id("support", "web", f"session {number}", 1)
        if number % 20 == 0:
            here.openings.note_history("support", "template")
            here.openings.note_id("support", "web", "constant", 1)
    found = here.openings._agents["support"]
    assert len(found.histories) <= 100 and len(found.ids) <= 100
    assert "template" in found.shared and max(found.ids.values()) > (100, 1)
