"""The store's operations on conversations that went to people: a part of `gateway.store.seam.Store`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

FOLLOWED_SECONDS = 7 * 24 * 3600  # for so long a handover waits for a reply, and a reply goes into later turns
HandoverState = Literal["waiting", "replied", "expired"]


@dataclass(frozen=True, slots=True)
class HumanReply:
    """A person's reply to a conversation that was handed over with that call; `at` in Unix seconds. `conversation`
    names it among its agent's (`gateway.conversation.conversation_key`); '' where its client names none.
    """

    call_id: str
    conversation: str
    message: str
    actor: str
    at: float


class Place(NamedTuple):
    """Position of a handed-over conversation among those of all agents, in the order of time."""

    at_ms: int
    number: int
    agent: str

    @classmethod
    def of(cls, entry: str, agent: str) -> "Place":
        """The place of an entry of that agent's stream. Raises ValueError for what is no entry's id."""
        at_ms, _, number = entry.partition("-")
        return cls(int(at_ms), int(number), agent)

    @property
    def entry(self) -> str:
        """The id in the agent's stream."""
        return f"{self.at_ms}-{self.number}"


class HandoverPlace(NamedTuple):
    """Place of a call in a handover. `entry` is the handover's id in the agent's stream, `escalation_id` the id of the
    call that opened it.

    `sequence` counts the handover's calls from 1; 0 is a call beyond those that a receiver is told of.
    `messages_before` is how many messages the call before it had, None where that is not known.
    """

    entry: str
    escalation_id: str
    sequence: int
    messages_before: int | None


@dataclass(frozen=True, slots=True)
class Handed:
    """A conversation that went to people: what `escalate` was given, its reply, when a later turn first saw that.

    In a list of them `event` has no `messages`. `accepted_at` is when the webhook took it, None while it has not, and
    `calls` how many calls of the conversation it holds. Times are Unix seconds.
    """

    event: Mapping[str, str]
    reply: HumanReply | None
    delivered_at: float | None
    accepted_at: float | None = None
    calls: int = 1

    def state(self, now: float) -> HandoverState:
        """Return what became of the handover until `now`, in Unix seconds."""
        if self.reply is not None:
            return "replied"
        return "waiting" if now - float(self.event["at"]) <= FOLLOWED_SECONDS else "expired"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A call that the webhook is still to be told of: what `escalate` was given and returned."""

    agent: str
    event: Mapping[str, str]
    place: HandoverPlace


class HandoverSeam(Protocol):
    """Handovers to people, and their replies."""

    async def escalate(
        self, agent: str, event: Mapping[str, str], most_bytes: int = ..., held_seconds: float = ...
    ) -> HandoverPlace:
        """Keep a conversation that is handed to a person, by the `call_id` in it, once.

        A call whose `conversation` waits for a reply joins that handover, with its messages in place of the earlier
        ones. The agent's oldest go when all of them together take more than `most_bytes`, are too many or a month old.
        With `held_seconds` its delivery is kept, too, until it is settled: the caller makes it, and after so many
        seconds without `hold_deliveries` anybody may.
        """

    async def hold_deliveries(self, agent: str, call_ids: Sequence[str], seconds: float) -> None:
        """Keep others from these deliveries for so long; those that are settled stay so."""

    async def settle_delivery(self, agent: str, call_id: str) -> None:
        """Note that nobody is to deliver it any more."""

    async def take_deliveries(self, agents: Sequence[str], count: int, seconds: float) -> list[Delivery]:
        """Return deliveries of these agents that nobody holds, in the order of each handover, and hold them for so
        long: at most `count` of an agent. One that is a day old is given up.
        """

    async def escalations(
        self, agents: Sequence[str], count: int, before: Place | None = None
    ) -> list[tuple[Place, Handed]]:
        """The latest `count` conversations of these agents that went to people, newest first, without messages.

        `before` is the last place of the page before, None for the first page.
        """

    async def escalation(self, agents: Sequence[str], call_id: str) -> Handed | None:
        """The conversation that one of these agents handed over with that call, some weeks ago at most.

        It is that of the opening call, also for a later call of the same handover.
        """

    async def handovers(self, agent: str, call_ids: Sequence[str]) -> dict[str, Handed]:
        """Return the handovers that these calls opened or joined, without messages; those that are kept."""

    async def mark_escalation_accepted(self, agent: str, call_id: str, at: float) -> None:
        """Note when the webhook took the handover which that call opened; the first time counts."""

    async def reply(self, agent: str, reply: HumanReply) -> bool:
        """Keep a person's reply and tell every replica; False when that call has one already."""

    async def replies(self, seen: Mapping[str, str], now: float) -> dict[str, list[tuple[str, HumanReply]]]:
        """The replies of some agents' conversations, oldest first, each with its id in its agent's stream.

        `seen` maps an agent to the id behind which to begin, '' for all that later turns are still to see at `now`.
        """

    async def mark_reply_delivered(self, agent: str, call_id: str, at: float) -> None:
        """Note that a turn has seen the reply to that call; the first such time counts. `at` in Unix seconds."""
