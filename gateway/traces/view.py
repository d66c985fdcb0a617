"""The tree of frozen values behind `/calls` and `/conversations`: their members are the members of the JSON.

Times are RFC 3339 in UTC, durations seconds, money US dollars; None where nothing is known. No member but `content`
holds a text of anybody's.
"""

from dataclasses import dataclass
from typing import Literal

from gateway.contents.content import CallContent
from gateway.judging.view import VerdictView

StepKind = Literal["call", "tool", "app"]
ToolState = Literal["ok", "error", "no answer"]


@dataclass(frozen=True, slots=True)
class CallTokens:
    """Tokens of an attempt, a call or a conversation. `estimated`: at least a part of them no provider has said."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False


AttemptKind = Literal["first", "retry", "fallback", "hedge"]


@dataclass(frozen=True, slots=True)
class AttemptView:
    """A try at one target. `kind` is what made it; `answered` says that the client got its answer."""

    target: str
    kind: AttemptKind
    at: str
    seconds: float
    ttft_seconds: float | None
    status: int | None
    failure: str | None
    message: str
    code: str
    upstream_id: str
    answered: bool
    tokens: CallTokens
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class ToolCallView:
    """A tool call that an answer asked for."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolResultView:
    """A tool's result that a request brought."""

    id: str
    name: str
    error: bool


HandoverStateSeen = Literal["waiting", "replied", "expired", "not kept"]


@dataclass(frozen=True, slots=True)
class HandoverView:
    """The handover of a call that went to people. `escalation_id` is the call that opened it; `joined` says
    that it was an earlier one of the conversation.

    `at` is when it was opened, `accepted_at` when the webhook took it, `replied_at` when `actor` replied, and `seen_at`
    when a later turn first saw that. `actor` is None for a key that did not make the call. `calls` counts its calls.
    """

    escalation_id: str
    state: HandoverStateSeen
    joined: bool
    calls: int
    at: str
    accepted_at: str | None
    replied_at: str | None
    actor: str | None
    seen_at: str | None


@dataclass(frozen=True, slots=True)
class CallView:
    """A finished call. `answer_usd` is the cost of its answer, `cost_usd` that of all attempts. `brought` are the
    latest 64 of `brought_count` tool results.

    `caller`, `request_id`, `conversation_name`, `sub_agent` and `content` are None for a key that did not make the
    call; `content` also where no texts were recorded. `verdict` is a judge's, None where it has none.
    """

    id: str
    conversation: str
    conversation_name: str | None
    caller: str | None
    agent: str
    version: str
    arm: str | None
    reason: str
    format: str
    stream: bool
    at: str
    ended_at: str
    seconds: float
    ttft_seconds: float | None
    end: str
    status: int
    unanswered: bool
    finish: str
    attempts: tuple[AttemptView, ...]
    asked_for: tuple[ToolCallView, ...]
    brought: tuple[ToolResultView, ...]
    tokens: CallTokens
    answer_usd: float
    cost_usd: float
    unpriced: int
    request_id: str | None
    sub_agent: str | None
    content: CallContent | None = None
    handover: HandoverView | None = None
    brought_count: int = 0
    verdict: VerdictView | None = None


@dataclass(frozen=True, slots=True)
class ToolView:
    """A tool's time, told by the calls around it: from the end of the answer that asked to the arrival of its result.

    `seconds` is None where no result came.
    """

    id: str
    name: str
    state: ToolState
    at: str
    seconds: float | None
    asked_by: str


@dataclass(frozen=True, slots=True)
class TraceStep:
    """A step of a conversation, in the order of time: a call, a tool, or the app's own time between two calls.

    `copies` are what the call's shadow made of it.
    """

    kind: StepKind
    at: str
    seconds: float | None
    call: CallView | None = None
    tool: ToolView | None = None
    copies: tuple[CallView, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionServed:
    """An agent's version that served calls of a conversation, and on which arm of its trial."""

    agent: str
    version: str
    arm: str | None


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation in a list. `answer_usd` is what its answers cost, `cost_usd` what it cost in all: with failed
    attempts, hedges that lost, and shadows' copies."""

    id: str
    name: str | None
    caller: str | None
    versions: tuple[VersionServed, ...]
    calls: int
    unanswered: int
    tools: int
    at: str
    ended_at: str
    seconds: float
    tokens: CallTokens
    answer_usd: float
    cost_usd: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class ConversationTree:
    """A conversation with its steps, and the conversations of its sub-agents."""

    summary: ConversationSummary
    steps: tuple[TraceStep, ...]
    sub_agents: "tuple[ConversationTree, ...]" = ()


@dataclass(frozen=True, slots=True)
class CallList:
    """A page of calls, newest first. `next` is the `before` of the next page, None on the last one."""

    calls: tuple[CallView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ConversationList:
    """A page of conversations, by their latest call, newest first; `next` as above."""

    conversations: tuple[ConversationSummary, ...]
    next: str | None
