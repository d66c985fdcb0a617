"""Agents and their versions as values, and the digest that identifies a version.

The configuration resolves files into these; nothing here reads a file. A version is recognised by its digest:
an edited prompt is a new version under an old name.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from routing.chain import HUMAN, ChainTarget, Target
from routing.rules import Rule

StickyKind = Literal["conversation", "user", "request", "header"]
Running = Literal["keep", "move"]
InputType = Literal["string", "number", "boolean", "array", "object"]
ReviewReason = Literal["sample", "low_judge", "disagree", "escalated"]  # why a call waits for people who review it

__all__ = [
    "HUMAN",
    "Agent",
    "AgentVersion",
    "ChainTarget",
    "ContentRules",
    "EvaluationOnRecord",
    "Hedge",
    "InputType",
    "JudgeRules",
    "NeededEvaluation",
    "PromptInput",
    "PromptMessage",
    "ReviewReason",
    "ReviewRules",
    "RolloutStep",
    "Running",
    "Shadow",
    "Sticky",
    "Target",
    "Timeouts",
    "Tool",
]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call. `definition` is its OpenAI JSON, exactly as it is sent."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """A message that a version puts before a client's. `content` is a template."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class PromptInput:
    """Declaration of a prompt's variable.

    `max_length` counts a string's characters and an array's items; None for other types. `enum` are the values that it
    may have, as JSON texts, none for any. `default` is the JSON text of the value where a call gives none, None for no
    default. Without one, a call must give a value if it is `required`; otherwise it stays empty.
    """

    type: InputType = "string"
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    default: str | None = None
    required: bool = True

    @property
    def is_needed(self) -> bool:
        """Return whether each call must give a value."""
        return self.required and self.default is None

    @property
    def in_words(self) -> str:
        """Return the declaration in one line, for people."""
        words = [self.type, *([f"one of {', '.join(self.enum)}"] if self.enum else ())]
        words += [f"at most {self.max_length}"] if self.max_length is not None and not self.enum else []
        if self.default is not None:
            words.append(f"default {self.default}")
        return ", ".join(words if self.required else [*words, "optional"])


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """Model, prompt, parameters and tools as one immutable unit.

    `system_prompt` and `messages` are templates, whose variables are the `inputs` by name.
    `parameters` maps a chat-completions field to the JSON text of its value (`{"temperature": "0.3"}`).
    `client_may_set` names the parameters for which the version's value is only a default. `digest` is the SHA-256 of
    the resolved content, in 64 hex digits; the version's name is not part of it.
    """

    name: str
    target: Target
    system_prompt: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    client_may_set: frozenset[str] = frozenset()
    messages: tuple[PromptMessage, ...] = ()
    inputs: Mapping[str, PromptInput] = field(default_factory=dict)
    digest: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        content: dict[str, object] = {
            "model": str(self.target),
            "system_prompt": self.system_prompt,
            "parameters": {name: json.loads(text) for name, text in self.parameters.items()},
            "tools": [json.loads(tool.definition) for tool in self.tools],
            "client_may_set": sorted(self.client_may_set),
        }
        if self.messages:  # only where they are: an older version keeps its digest
            content["messages"] = [[message.role, message.content] for message in self.messages]
        if self.inputs:
            content["inputs"] = {name: _content(each) for name, each in self.inputs.items()}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "digest", hashlib.sha256(canonical.encode()).hexdigest())


def _content(declared: PromptInput) -> list[object]:
    """Return what a declaration adds to the digest of its version."""
    default = None if declared.default is None else [json.loads(declared.default)]
    choices = sorted(declared.enum)
    return [declared.type, declared.max_length, choices, default, declared.required]


@dataclass(frozen=True, slots=True)
class Sticky:
    """Grouping of calls on one version. `header` is the lower-case header name when the kind is `header`."""

    kind: StickyKind = "conversation"
    header: str = ""


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A step of a rollout. `weight` is the canary's share in basis points (0…10,000), `hold` seconds.

    `hold` is None where a plain weight stands in place of steps: nothing goes on by itself then. `approval` says
    whether a person must agree before the next step.
    """

    weight: int
    hold: float | None = None
    min_requests: int = 0
    approval: bool = False


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that gets copies of calls and whose replies are dropped.

    `sample` is the share of the units, in basis points (0…10,000), whose calls are copied; `max_per_minute` is how many
    copies one replica makes in any minute, `max_nano_usd_per_day` what those of all replicas may cost on a day (UTC),
    None for no limit.
    """

    version: str
    sample: int
    max_per_minute: int = 60
    max_nano_usd_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Hedge:
    """Rule for a second attempt at the next target beside the first.

    Late is an attempt that takes longer than a `quantile` (0…1) of its version's attempts of late, or longer than
    `seconds`: one of the two is None. `budget` bounds the hedges as a share of the calls (0…1).
    """

    quantile: float | None
    seconds: float | None
    budget: float = 0.05


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds. `answer` is for a whole answer that is not streamed, `total` for a call with all its
    attempts. `connect` is None where the provider's own limit holds.
    """

    first_token: float
    between_chunks: float
    answer: float
    total: float
    connect: float | None = None


@dataclass(frozen=True, slots=True)
class ContentRules:
    """Rules for the texts of an agent's calls that are recorded.

    `sample` is the share of the conversations, in basis points (1…10,000). `redact` are patterns of what is left out,
    `retention` seconds that each call's texts are kept. `call_bytes` bound those of one call, `total_bytes` all of the
    agent's.
    """

    sample: int = 10_000
    redact: tuple[str, ...] = ()
    retention: float = 7 * 24 * 3600.0
    call_bytes: int = 64 << 10
    total_bytes: int = 32 << 20


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """Rules for the calls of an agent that people review: of those whose texts are recorded.

    `sample` is the share of them that wait for a review, in basis points; `plus` names those that wait in any case.
    """

    sample: int = 100
    plus: tuple[ReviewReason, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeRules:
    """A judge of an agent's live calls. `rubric` is its text, and `digest` covers all that its verdicts depend on.

    `sample` is the share of the calls in basis points (1…10,000). `max_nano_usd_per_day` bounds what it may cost on a
    day (UTC), over all replicas. A `trusted` judge needs no labels of people before a guardrail acts on it.
    """

    target: Target
    rubric: str
    sample: int
    max_nano_usd_per_day: int
    trusted: bool
    digest: str


@dataclass(frozen=True, slots=True)
class EvaluationOnRecord:
    """A recorded evaluation. `canary` and `stable` are the digests of the versions compared, `stable` is '' for none.

    `suite` is the suite's file as it was named and `suite_sha256` a digest of all its files; `margin` is the share of
    such cases on which it might be worse, `at` is in Unix seconds. `verdict` is the record's own word.
    """

    canary: str
    stable: str
    suite: str
    suite_sha256: str
    has_passed: bool
    sentence: str
    at: float
    margin: float
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class NeededEvaluation:
    """The evaluation that a canary needs before it gets calls. `max_age` is in seconds, None for any age.

    `margin` is the largest that it may have been held to. `record` is the one that stands beside the canary's file,
    None for none; `mistake` says why it cannot be read, or ''. `changed` names a file of the suite that has changed
    since, or ''.
    """

    suite: str
    max_age: float | None = None
    record: EvaluationOnRecord | None = None
    margin: float = 0.05
    mistake: str = ""
    changed: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, the name in a client's `model`, as configured: intent, not the record.

    `steps` has at least one step with a canary and none without. `fallback` follows the version's own target.
    `guardrails` and `signals` are the texts the operator wrote, in order and evenly spaced. `running` says whether a
    conversation under way keeps the version it began on, `idle` the seconds of silence that end it. `timeouts` are
    whole, None where the gateway's hold. `content` is None where no texts are recorded. `evaluation` is what a canary
    needs first, None for nothing. `review` is None where nobody reviews calls, `judge` where nothing grades live calls.
    """

    name: str
    versions: Mapping[str, AgentVersion]
    stable: str
    canary: str | None = None
    steps: tuple[RolloutStep, ...] = ()
    sticky: Sticky = Sticky()
    rules: tuple[Rule, ...] = ()
    fallback: tuple[ChainTarget, ...] = ()
    guardrails: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    shadow: Shadow | None = None
    hedge: Hedge | None = None
    running: Running = "keep"
    idle: float = 1800.0
    timeouts: Timeouts | None = None
    content: ContentRules | None = None
    evaluation: NeededEvaluation | None = None
    review: ReviewRules | None = None
    judge: JudgeRules | None = None
