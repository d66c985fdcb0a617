"""The row of a handover to people, below the call that opened or joined it."""

from gateway.pages.html import tag
from gateway.pages.waterfall import Bar
from gateway.traces.handovers import handover_words
from gateway.traces.view import HandoverView


def handover_bar(handover: HandoverView, at: float, depth: int) -> Bar:
    """Return the row of a handover. A reply may come hours later: words say when, lest the axis shrinks all else."""
    words = tag("span", tag("b", "people "), handover.actor or "")
    level = "attention" if handover.replied_at is None else "fine"
    return Bar(words, level, at, None, ("", "", handover_words(handover)), depth)
