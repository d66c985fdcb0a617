"""View of a handed-over conversation on `/v1/escalations`. Times are RFC 3339 in UTC."""

from dataclasses import dataclass

from gateway.store.handover_seam import HandoverState


@dataclass(frozen=True, slots=True)
class ReplyView:
    """A person's reply, and when a later turn first saw it (None: not yet)."""

    message: str
    actor: str
    at: str
    delivered_at: str | None


@dataclass(frozen=True, slots=True)
class EscalationView:
    """A conversation by the call that handed it over, without its messages. `reply` is None before a reply.

    `state` is expired after a week without a reply, `accepted_at` is None while the webhook has not accepted it.
    `calls` counts the calls of the conversation that were handed over until the reply, that one included.
    """

    call_id: str
    agent: str
    version: str
    caller: str
    failure: str
    request_id: str | None
    at: str
    reply: ReplyView | None
    state: HandoverState
    accepted_at: str | None
    calls: int


@dataclass(frozen=True, slots=True)
class ConversationView(EscalationView):
    """The same with its latest messages as JSON, and how many earlier ones were left out."""

    messages: object
    messages_left_out: int
