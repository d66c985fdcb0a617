"""The parts of reviewing in one replica, as they are put together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.contents.reader import ContentReader
from gateway.contents.writer import ContentWriter
from gateway.review.counting import CountingParts, LabelCounter
from gateway.review.desk import ReviewDesk
from gateway.review.queue import ReviewQueue

__all__ = ["CountingParts", "Reviews", "reviews"]


@dataclass(frozen=True, slots=True)
class Reviews:
    """The queue on whose way calls are, the desk at which people read them, and what counts their labels."""

    queue: ReviewQueue
    desk: ReviewDesk
    counter: LabelCounter

    @property
    def work(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """Return what is done in the background."""
        return self.queue.write_for_ever, self.counter.count_for_ever


def reviews(parts: CountingParts, contents: ContentWriter) -> Reviews:
    """Return the parts, fed with calls as their texts are recorded."""
    queue = ReviewQueue(parts.store, parts.table, parts.log)
    contents.listeners.append(queue.note_recorded)
    return Reviews(queue, ReviewDesk(parts.store, ContentReader(parts.store), parts.timings), LabelCounter(parts))
