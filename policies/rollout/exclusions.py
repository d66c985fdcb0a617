"""Sentences on the parties that are excluded from a rollout (decision 40), for the record and for people."""

from collections.abc import Iterable

from policies.evidence.evidence import CALLER
from policies.rollout.state import State

_WAY_ON = "abort the rollout if you trust this, resume it to give the canary back, or promote it to go on without"
_WAY_BACK = "abort the rollout if you trust this, or resume it to give the canary back"


def excluded_in_words(state: State) -> str | None:
    """Return who gets stable because their calls alone show a breach, and until when; None for nobody."""
    if not state.excluded:
        return None
    return f"{_kept_from(state.excluded)}{_until_the_edit(state)}"


def hold_in_words(state: State) -> str | None:
    """Return why the exclusions hold the step; None where a person has promoted without all who are excluded."""
    holding = _holding(state)
    return f"{_kept_from(holding)}; {_WAY_ON}" if holding else None


def way_on(state: State) -> str:
    """Return what a person may do about an exclusion, where the rollout stands."""
    return f"{_WAY_BACK}{_until_the_edit(state)}" if state.phase == "completed" else _WAY_ON


def ended_by_resume(state: State) -> tuple[str, ...]:
    """Return the parties that a person's `resume` gives the canary back to.

    On trial those who hold the step. Where nothing does, neither they nor a pause, those without whom a person has
    promoted.
    """
    holding = _holding(state)
    return holding if state.phase == "paused" or (holding and state.on_trial) else state.excluded


def back_in_words(parties: Iterable[str]) -> str:
    """Return who gets the canary again."""
    return f"the canary is given back to {parties_in_words(parties)}"


def with_kept(reason: str, state: State) -> str:
    """Return the reason for a change after which the record is `state`, and who is still excluded."""
    return "; ".join(filter(None, (reason, excluded_in_words(state))))


def with_end(reason: str, state: State) -> str:
    """Return the reason for the end of the rollout that stood so, and whose exclusion ends with it."""
    return "; ".join(filter(None, (reason, end_in_words(state))))


def end_in_words(state: State) -> str | None:
    """Return whose exclusion ends with the rollout; None for nobody's."""
    if not state.excluded:
        return None
    return f"the exclusion of {parties_in_words(state.excluded)} ended with the rollout"


def party_in_words(party: str) -> str:
    """Return what people may call a party. Callers may read this of one another, so it is no caller's name."""
    return f"one {'caller' if party.startswith(CALLER) else 'user'} ({party})"


def parties_in_words(parties: Iterable[str]) -> str:
    """Return what people may call these parties."""
    return " and ".join(map(party_in_words, parties))


def _holding(state: State) -> tuple[str, ...]:
    return tuple(party for party in state.excluded if party not in state.acknowledged)


def _until_the_edit(state: State) -> str:
    """Return what the edit after a completion means for who is excluded."""
    if state.phase != "completed" or state.canary is None:
        return ""
    return f"; the edit that makes {state.canary.version} stable gives it to them, too"


def _kept_from(parties: Iterable[str]) -> str:
    return f"the canary is kept from {parties_in_words(parties)}, whose calls alone show a breach"
