"""Sampling of conversations: a share of them is recorded, told by a hash of their keys, so that all replicas agree.

A conversation is recorded whole or not at all, or nobody could read it.
"""

from gateway.calls import Outcome
from gateway.traces.threads import key_by_name
from routing.agents import ContentRules

_ALL = 10_000  # basis points
_DIGITS = 8  # of a conversation's key, which is a hash
_LONGEST_NAME = 512  # a longer one is shortened until its call is recorded


def is_chosen(conversation: str, rules: ContentRules) -> bool:
    """Return whether the calls of the conversation of that key are recorded."""
    return int(conversation[:_DIGITS], 16) * _ALL >> 4 * _DIGITS < rules.sample


def may_be_chosen(outcome: Outcome, rules: ContentRules) -> bool:
    """Return whether a call that begins may be recorded.

    Where its client has a name for the conversation that is known at once. Else it is known once the call is kept.
    """
    name = outcome.conversation
    if rules.sample == _ALL or not name or len(name) > _LONGEST_NAME:
        return True
    return is_chosen(key_by_name(outcome.caller, name), rules)
