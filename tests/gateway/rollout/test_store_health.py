"""Whether the store can be reached is said when it changes, not each time it is asked."""

import io

import structlog

from gateway.errors import StoreAway
from gateway.rollout.store_health import EVERY_AGENT, Reach

AWAY = StoreAway("nobody answers")


def stage() -> tuple[Reach, io.StringIO]:
    out = io.StringIO()
    processors: list[structlog.typing.Processor] = [structlog.processors.JSONRenderer()]
    return Reach(structlog.wrap_logger(structlog.PrintLogger(out), processors=processors)), out


def test_the_first_loss_and_the_last_return_are_said() -> None:
    """A thousand agents are no thousand lines."""
    reach, out = stage()
    for agent in ("a", "b", "a", EVERY_AGENT):
        reach.lost(agent, AWAY)
    assert [reach.found(agent) for agent in ("a", EVERY_AGENT, "c", "b", "b")] == [False, False, False, True, False]
    assert reach.ok and len(out.getvalue().splitlines()) == 2
    assert "store_away" in out.getvalue() and "nobody answers" in out.getvalue() and "store_back" in out.getvalue()


def test_one_lost_agent_keeps_it_from_being_well() -> None:
    """Others coming and going do not make it flap."""
    reach, out = stage()
    reach.lost("a", AWAY)
    for _ in range(3):
        reach.lost("b", AWAY)
        assert not reach.found("b") and not reach.ok
    assert len(out.getvalue().splitlines()) == 1


def test_an_agent_that_is_no_longer_configured_is_forgotten() -> None:
    """Nobody asks for it again; what concerns all of them stays."""
    reach, _ = stage()
    reach.lost("a", AWAY)
    reach.lost(EVERY_AGENT, AWAY)
    reach.keep(["b"])
    assert not reach.ok
    assert reach.found(EVERY_AGENT) and reach.ok
