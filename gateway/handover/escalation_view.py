"""View of a handed-over conversation on `/v1/escalations`. Times are RFC 3339 in UTC."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplyView:
    """A person's reply, and when a later turn first saw it (None: not yet)."""

    message: str
    actor: str
    at: str
    delivered_at: str | None


@dataclass(frozen=True, slots=True)
class EscalationView:
    """A conversation by the call that handed it over, without its messages. `reply` is None before a reply."""

    call_id: str
    agent: str
    version: str
    caller: str
    failure: str
    request_id: str | None
    at: str
    reply: ReplyView | None


@dataclass(frozen=True, slots=True)
class ConversationView(EscalationView):
    """The same with its latest messages as JSON, and how many earlier ones were left out."""

    messages: object
    messages_left_out: int
