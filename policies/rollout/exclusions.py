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
    new = [party for party in state.excluded if party not in state.acknowledged]
    return f"{_kept_from(new)}; {_WAY_ON}" if new else None


def way_on(state: State) -> str:
    """Return what a person may do about an exclusion, where the rollout stands."""
    return f"{_WAY_BACK}{_until_the_edit(state)}" if state.phase == "completed" else _WAY_ON


def end_in_words(state: State) -> str | None:
    """Return whose exclusion ends with the rollout; None for nobody's."""
    if not state.excluded:
        return None
    return f"the exclusion of {_in_words(state.excluded)} ended with the rollout"


def party_in_words(party: str) -> str:
    """Return what people may call a party. Callers may read this of one another, so it is no caller's name."""
    return f"one {'caller' if party.startswith(CALLER) else 'user'} ({party})"


def _until_the_edit(state: State) -> str:
    """Return what the edit after a completion means for who is excluded."""
    if state.phase != "completed" or state.canary is None:
        return ""
    return f"; the edit that makes {state.canary.version} stable gives it to them, too"


def _kept_from(parties: Iterable[str]) -> str:
    return f"the canary is kept from {_in_words(parties)}, whose calls alone show a breach"


def _in_words(parties: Iterable[str]) -> str:
    return " and ".join(map(party_in_words, parties))
