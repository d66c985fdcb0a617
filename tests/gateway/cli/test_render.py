"""What `status` and `explain` say of exclusions, and of an agent without a canary."""

from gateway.cli.output import painted
from gateway.cli.render import explain
from gateway.cli.status_text import status_rows
from gateway.rollout.status_view import AgentView
from gateway.terminal import Palette
from tests.support.views import agent_view, status_view

KEPT_FROM = "the canary is kept from one caller (c7), whose calls alone show a breach"
UNTIL_THE_EDIT = f"{KEPT_FROM}; the edit that makes V2 stable gives it to them, too"


def status(agent: AgentView) -> str:
    return painted(status_rows(status_view(agent), "http://gw"), Palette())


def test_an_exclusion_is_explained_once() -> None:
    """With why the rollout waits, or by itself where a person has promoted without that party."""
    held = explain("support", agent_view(phase="running", excluded=KEPT_FROM, waits_for=(f"{KEPT_FROM}; abort it",)))
    promoted = explain("support", agent_view(phase="running", excluded=KEPT_FROM))
    assert [line for line in held if "kept from" in line] == [f"It waits because {KEPT_FROM}; abort it."]
    assert [line for line in promoted if "kept from" in line] == [
        f"{KEPT_FROM.replace('the', 'The', 1)}. 'serinus rollout resume support' gives it back."
    ]


def test_a_pause_is_ended_before_an_exclusion() -> None:
    """Where a person has promoted without that party and paused afterwards."""
    paused = explain("support", agent_view(phase="paused", excluded=KEPT_FROM))
    assert any(line.endswith("ends the pause, and a second one gives it back.") for line in paused)


def test_what_the_edit_after_completion_does_is_said() -> None:
    """Names keep their letters."""
    agent = agent_view(phase="completed", excluded=UNTIL_THE_EDIT)
    assert "the edit that makes V2 stable gives it to them, too: see" in status(agent)
    assert any(
        line.startswith("The canary is kept") and "makes V2 stable" in line for line in explain("support", agent)
    )


def test_what_this_replica_does_alone_is_said() -> None:
    """While the store is away the record does not have it yet."""
    agent = agent_view(phase="running", measure_here="this replica sends every call to v1")
    assert "  this replica sends every call to v1" in status(agent).splitlines()
    assert "The store is away: this replica sends every call to v1." in explain("support", agent)


def test_without_a_canary_stable_serves() -> None:
    """Also once the completed canary has become stable: there is no canary with a share of zero."""
    for phase, words in (("completed", "completed"), (None, "no canary")):
        assert f"support: {words}, v1 serves every call, epoch 2" in status(agent_view(phase=phase, canary=None))
