"""A call, its attempts and its outcome, as values that the layers hand to one another."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from gateway.errors import FailureKind, Headers
from gateway.heard import HeardCall
from gateway.json_body import Document
from gateway.tool_use import NO_END, AnswerEnd
from policies.behaviours.behaviours import Behaviour
from policies.guardrails.thresholds import Thresholds
from routing.assignment import Reason
from routing.chain import Target
from routing.models import ModelPattern, is_among

_BYTES_PER_TOKEN = 4  # of English JSON, roughly, with the tokenizers of today
MAX_TOKENS_COUNTED = 10**12  # a provider that claims more is not believed, so that sums stay finite

ArmName = Literal["stable", "canary"]
Operation = Literal["generate", "embeddings", "completions", "passed"]
FormatName = str  # of a wire format, as its folder in `gateway.formats` spells it; `registry` has them all


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: name and group of a key. `agents` are those it may call (None for all). `is_only`: no other key may
    call any of them. `models` are patterns of the plain models that it may call (None for all that are passed on).
    `reviews` are agents whose waiting calls it may review.
    """

    name: str
    group: str
    agents: frozenset[str] | None = None
    is_only: bool = False
    models: tuple[ModelPattern, ...] | None = None
    reviews: frozenset[str] = frozenset()
    is_limited: bool = field(init=False, compare=False, default=False)  # to some agents, or some plain models

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_limited", self.agents is not None or self.models is not None)

    def may_call(self, agent: str) -> bool:
        """Return whether the key may call that agent."""
        return self.agents is None or agent in self.agents

    def may_use(self, target: Target) -> bool:
        """Return whether the key may call that plain model, if it is passed on."""
        return self.models is None or is_among(target, self.models)


@dataclass(slots=True)
class Call:
    """A client's parsed request. `headers` are those that go upstream, `query` the query string without a `?`.

    `received_at` is monotonic, in seconds; `nonce` makes the call's id unique; `request_id` is the client's own
    `x-request-id`, or ''; `conversation_header` is a client's own id of the conversation, or '',
    `session_header` one of its session and `affinity_header` one for routing alone (`gateway.conversation`).
    `facts_headers` are those that rules and `sticky` ask for; `format` is the wire format that the client speaks,
    `operation` what it wants: an answer to a conversation, one of OpenAI's plainer endpoints, or one that we only pass.
    `keep_items` takes the answer's items, as JSON by their ids, where a later call may name them.
    `opening` names the beginning of its conversation, `history` one that may be a template: it is counted once the call
    is answered. `named` is what names the conversation for routing, '' where the call is one by itself or nobody asked.
    `trace_parent` and `sub_agent` are the client's `traceparent` and the id of its sub-agent, or ''.
    `values` are those of the prompt's variables, which the document does not hold, None for none; `prompt` is the
    prompt that the client named, as the answer echoes it, None where it named none. `endpoint` is the method and path
    of what is only passed, or ''.
    """

    id: str
    caller: Caller
    agent: str
    pin: str | None
    document: Document
    stream: bool
    wants_usage: bool
    headers: list[tuple[bytes, bytes]]
    query: str
    received_at: float
    format: FormatName = field(kw_only=True)
    nonce: bytes = bytes(8)
    request_id: str = ""
    conversation_header: str = ""
    session_header: str = ""
    affinity_header: str = ""
    fingerprint_key: bytes = b""
    facts_headers: Mapping[str, str] = field(default_factory=dict)
    operation: Operation = "generate"
    keep_items: Callable[[Mapping[str, str]], None] | None = None
    opening: str = ""
    history: str = ""
    named: str = ""
    trace_parent: str = ""
    sub_agent: str = ""
    values: Mapping[str, Any] | None = None
    prompt: Mapping[str, Any] | None = None
    endpoint: str = ""


class MediaTokens(NamedTuple):
    """Tokens that are not text, parts of the sums: of the input, of what of it was cached, of the output."""

    input_audio: int = 0
    input_image: int = 0
    input_video: int = 0
    cached_audio: int = 0
    cached_image: int = 0
    output_audio: int = 0
    output_image: int = 0
    output_video: int = 0


@dataclass(slots=True)  # its fields are read time and again, which takes much longer with a tuple's
class Usage:
    """Tokens of one attempt. `input` includes `cached` and `cache_written`, `output` includes `reasoning`.

    `cached` were read from a provider's prompt cache, `cache_written` put into it, and of those `cache_written_1h` for
    an hour and not for the usual minutes.
    `estimated` marks what no provider has said: the tokens of a stream that ended before its usage came.
    `tier` names how the answer was served where that has a price of its own, such as `priority`; '' for the usual way.
    `media` are the tokens that are not text, None for none.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    cache_written: int = 0
    cache_written_1h: int = 0
    tier: str = ""
    media: MediaTokens | None = None

    @property
    def touches_cache(self) -> bool:
        """Return whether any of the prompt was read from a provider's cache or written to it."""
        return self.cached > 0 or self.cache_written > 0

    def without_cache(self) -> "Usage":
        """Return the same tokens as if no prompt cache had had a part in them."""
        media = self.media and self.media._replace(cached_audio=0, cached_image=0)
        return replace(self, cached=0, cache_written=0, cache_written_1h=0, media=media)


@dataclass(slots=True)
class Attempt:
    """A try at one target. Times are monotonic seconds; `failure` is None after a success.

    `counts` says whether the failure is an error of the version, `rejected` whether the request was refused, whoever
    caused it: with an error, by a content filter, or by the model. `caller_can_cause` is False after a failure that no
    request brings about: no connection, an unknown model, a wrong key. `message` says why it failed, in the provider's
    words without what they quote; `code`, `param` and `upstream_id`, its id of the request, are the provider's, or ''
    (`gateway.call.failure_note`). `cost_nano_usd` is None without a known price;
    `neutral_nano_usd` is set where a provider's prompt cache had a part in it, and is the cost without one.
    `end` is what its answer ended with. `answer_id` and `answer_model` are the answer's id and model as its provider
    names them, or ''; where a stream was relayed unread, they are in `answer_head`, its first event.
    """

    target: str
    started_at: float
    ended_at: float = 0.0
    first_token_at: float | None = None
    status: int | None = None
    failure: FailureKind | None = None
    message: str = ""
    counts: bool = False
    rejected: bool = False
    caller_can_cause: bool = True
    usage: Usage | None = None
    cost_nano_usd: int | None = None
    neutral_nano_usd: int | None = None
    end: AnswerEnd = NO_END
    code: str = ""
    param: str = ""
    upstream_id: str = ""
    answer_id: str = ""
    answer_model: str = ""
    answer_head: bytes = b""


HedgeEnd = Literal["won", "lost", "neither"]
End = Literal["answered", "escalated", "failed", "broken", "client_gone", "refused"]
UNANSWERED: tuple[End, ...] = ("failed", "broken", "refused")  # the client got an error, or a broken answer


@dataclass(slots=True)
class Outcome:
    """The record of a call: its attempts, and how the call ended. Recorded exactly once.

    `rollout` and `evidence` are the epochs under which it is booked and `arm` the side of the trial it belongs to;
    pinned and rule-matched calls have no arm. `unit` is what failures are counted once for; `thresholds` say when
    the call is slow or expensive, None while nothing is frozen. `hedge` says what became of a second attempt beside the
    first, None where there was none; `late` whether the first was late where there might have been one. `exposed` says
    that the first attempt goes out whatever its target's circuit says, `censored` that the call is no evidence, because
    what it would show depends on a circuit (decision 19), and `held` that it is none, because no
    weight drew the arm of its conversation. `origin` is the earlier step in which its conversation began, and 0 where
    that is the running one (decision 33). `drawn` is the id of the unit that drew the arm, where that is
    not `unit`, and `by_words` says that the words of an answer told it. `party` is whose call it is, or ''.
    `refusal` says why the gateway refused the request on its way to a provider, without what it quotes, or ''.
    `request_id` is the client's own name for the call and `conversation` its own id of the conversation, or ''.
    `begins` says that it is the first call of its unit. `heard` is what is heard of it where its texts are recorded.
    `shown` are the behaviours that it shows.
    """

    call_id: str
    caller: str
    agent: str
    version: str
    reason: Reason
    unit: str
    rollout: int
    evidence: int
    arm: ArmName | None
    stream: bool
    received_at: float
    attempts: list[Attempt] = field(default_factory=list)
    end: End = "failed"
    first_token_at: float | None = None
    ended_at: float = 0.0
    status: int = 0
    thresholds: Thresholds | None = None
    hedge: HedgeEnd | None = None
    late: bool = False
    request_id: str = ""
    exposed: bool = False
    censored: bool = False
    held: bool = False
    origin: int = 0
    party: str = ""
    conversation: str = ""
    drawn: str = ""
    by_words: bool = False
    refusal: str = ""
    begins: bool = False
    heard: HeardCall | None = None
    shown: Collection[Behaviour] = ()

    @property
    def failed(self) -> bool:
        """Return whether the version's first attempt failed; a fallback that saved the call changes nothing."""
        attempts = self.attempts
        return attempts[0].counts if attempts else False

    @property
    def rejected(self) -> bool:
        """Return whether the provider refused to serve the first attempt, with unknown cause."""
        attempts = self.attempts
        return attempts[0].rejected if attempts else False

    @property
    def judged(self) -> bool:
        """Return whether the call is evidence about the version: the client stayed, and made no mistake itself."""
        attempts = self.attempts
        if attempts and attempts[0].counts:
            return True
        return self.end in ("answered", "escalated") and (attempts[0].failure is None or self.overtaken)

    @property
    def overtaken(self) -> bool:
        """Return whether the first attempt was cancelled because the hedge was faster; only its minimum duration is
        known."""
        return self.hedge == "won" and self.attempts[0].failure == "overtaken"

    @property
    def excused(self) -> bool:
        """Return whether a failure is no evidence against the canary: in stable, a hedge might have hidden it (decision
        13). Half of the units have no hedge, and so no excuse."""
        return self.late and self.arm == "canary"

    @property
    def fell_back(self) -> bool:
        """Return whether another target was tried after the first had failed."""
        if self.hedge is not None and (self.hedge == "lost" or self.attempts[0].failure in (None, "overtaken")):
            return False
        return any(attempt.target != self.attempts[0].target for attempt in self.attempts[1:])

    @property
    def answering(self) -> Attempt:
        """The attempt whose answer the client gets, or the last that failed."""
        return self.attempts[0 if self.hedge == "lost" else -1]


@dataclass(slots=True)  # like `Usage`
class Spent:
    """Usage and cost of all attempts of a call. `unreported` counts attempts that answered without usage, `unpriced`
    those without a known price. `estimated` is set where any part is an estimate.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0
    unreported: int = 0
    estimated: bool = False

    @classmethod
    def by(cls, attempts: Sequence[Attempt]) -> "Spent":
        """The sums over these attempts."""
        if len(attempts) == 1:  # most calls need one, and it says what it took
            usage, nano_usd = attempts[0].usage, attempts[0].cost_nano_usd
            if usage is not None and nano_usd is not None:
                return cls(usage.input, usage.cached, usage.output, usage.reasoning, nano_usd, 0, 0, usage.estimated)
        given = cached = output = reasoning = cost = unpriced = unreported = 0
        estimated = False
        for attempt in attempts:
            usage = attempt.usage
            if usage is None:
                unreported += attempt.failure is None
                continue
            given += usage.input
            cached += usage.cached
            output += usage.output
            reasoning += usage.reasoning
            if attempt.cost_nano_usd is None:
                unpriced += 1
            else:
                cost += attempt.cost_nano_usd
            estimated |= usage.estimated
        return cls(given, cached, output, reasoning, cost, unpriced, unreported, estimated)


class Answer(NamedTuple):
    """A whole answer to a call, ready to be sent."""

    status: int
    headers: Headers
    body: bytes


def estimated_usage(request_bytes: int, output: int) -> Usage:
    """Estimate the usage of an answer that reports none, as providers charge for what they sent."""
    return Usage(request_bytes // _BYTES_PER_TOKEN + 1, 0, output, 0, estimated=True)


def tokens(value: Any) -> int:
    """A provider's count of tokens; what is no count is 0."""
    kind = type(value)  # a bool is no count
    if (kind is int or kind is float) and 0 <= value <= MAX_TOKENS_COUNTED:
        return int(value)
    return 0
