"""Schema of `routing.yaml`: which version of an agent gets which calls."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.config import headers, quantities
from gateway.config.content_settings import RecordContent
from gateway.config.evaluation_settings import EvaluationEntry
from gateway.config.fields import (
    AliasName,
    AliasTargetText,
    ChainTargetText,
    Duration,
    Name,
    Share,
    StepWeight,
    StickyUnit,
    StrictModel,
    VersionText,
    Weight,
)
from gateway.config.judge_settings import JudgeEntry
from gateway.config.limit_settings import AgentLimits
from gateway.config.problems import quoted, unknown
from gateway.config.review_settings import ReviewEntry
from gateway.config.timeout_settings import AgentTimeouts
from policies.calls import hedge
from policies.guardrails import grammar
from policies.guardrails.metrics import METRICS
from routing.agents import Running, Sticky
from routing.rules import FACT_NAMES, HEADER_PREFIX

_MAX_VALUES = 1_000  # a rule is looked through for every call
_MAX_STEPS = 20
_MAX_COPIES = 10_000
_MAX_USD = 1_000_000
_MAX_GUARDRAIL = 100  # characters, more than any needs

_METRIC: Final = rf"^\s*({'|'.join(METRICS)})\s*<=\s*"
_NUMBER: Final = r"[0-9]+(\.[0-9]+)?\s*"
_PERCENTILE: Final = f"p({'|'.join(map(str, hedge.PERCENTILES))})"


def fact_name(value: object) -> str:
    """A fact that rules may ask for. Raises ValueError with a hint."""
    if isinstance(value, str) and value.startswith(HEADER_PREFIX):
        return HEADER_PREFIX + headers.fact_header(value.removeprefix(HEADER_PREFIX))
    if value not in FACT_NAMES:
        raise ValueError(unknown("fact", str(value), (*FACT_NAMES, "header:<name>")))
    return value


def fact_values(value: object) -> tuple[str, ...]:
    """Return one value or a list of values as texts. Raises ValueError with a hint."""
    values = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(values) <= _MAX_VALUES:
        raise ValueError(f"must hold 1 to {_MAX_VALUES} values")
    return tuple(_fact_value(each) for each in values)


def guardrail(value: str) -> str:
    """A guardrail that can be read, evenly spaced. Raises ValueError with a hint."""
    return grammar.parse(value).text


def signal(value: str) -> str:
    """A guardrail that compares with stable, evenly spaced. Raises ValueError with a hint."""
    parsed = grammar.parse(value)
    if not parsed.relative:
        raise ValueError(f"a signal compares with stable; write `{parsed.metric.name} <= stable * 1.10`")
    return parsed.text


def late(value: object) -> str:
    """A percentile or a time from which on an attempt is late. Raises ValueError with a hint."""
    text = value if isinstance(value, str) else ""
    if re.fullmatch(_PERCENTILE, text):
        return text
    if not re.fullmatch(quantities.DURATION_PATTERN, text):
        known = ", ".join(f"p{percentile}" for percentile in hedge.PERCENTILES)
        raise ValueError(f"cannot read {quoted(value)}; write a percentile ({known}) or a duration such as 800ms")
    quantities.positive_seconds(text)
    return text


def hedges(value: float) -> float:
    """A share of the calls that may be hedged. Raises ValueError with a hint."""
    if not 0 < value <= hedge.MAX_BUDGET:
        raise ValueError(f"must be more than 0% and at most {hedge.MAX_BUDGET:.0%}; remove `hedge` to have none")
    return value


def _fact_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{quoted(value)} must be text; put it in quotes")
    return value


FactName = Annotated[
    str,
    BeforeValidator(fact_name),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(FACT_NAMES)}|{HEADER_PREFIX}[^ ]+)$"}),
]
FactValues = Annotated[
    tuple[str, ...],
    BeforeValidator(fact_values),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "integer", "boolean"]},
                {"type": "array", "minItems": 1, "items": {"type": ["string", "integer", "boolean"]}},
            ]
        }
    ),
]
GuardrailText = Annotated[
    str,
    Field(max_length=_MAX_GUARDRAIL),
    AfterValidator(guardrail),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"{_METRIC}(stable\s*\*\s*)?{_NUMBER}(%|ms|s)?\s*$",
            "examples": list(grammar.DEFAULT_GUARDRAILS),
        }
    ),
]
SignalText = Annotated[
    str,
    Field(max_length=_MAX_GUARDRAIL),
    AfterValidator(signal),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"{_METRIC}stable\s*\*\s*{_NUMBER}$",
            "examples": ["ttft_p90 <= stable * 1.10"],
        }
    ),
]


LateText = Annotated[
    str,
    BeforeValidator(late),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_PERCENTILE}$|{quantities.DURATION_PATTERN}",
            "examples": ["p95", "800ms"],
        }
    ),
]


class RuleEntry(StrictModel):
    """A feature flag: calls whose facts match use one version."""

    when: Mapping[FactName, FactValues] = Field(
        description="Facts with the value or values that each must have; all must match. Facts: caller, group, "
        "user, conversation, stream, header:<name>. An empty mapping matches every call."
    )
    use: VersionText = Field(description="The version that serves the calls that match.")


class StepEntry(StrictModel):
    """A step of a rollout: its weight, and what the next step requires."""

    weight: StepWeight = Field(
        description="The canary's share of the units, above 0% and at most 100%, and more than in the step before. "
        "2% stay on stable until the last step is completed, so that there is something to compare with."
    )
    hold: Duration = Field(
        description="Minimum duration of the step, such as 10m. Long enough for `min_requests` calls, and for late "
        "failures."
    )
    min_requests: int = Field(
        default=0,
        ge=0,
        le=1_000_000_000,
        description="Calls that the canary must have served in this step. Default: 0.",
    )
    approval: Literal["required"] | None = Field(
        default=None,
        description="`required`: the rollout goes on only when a person has approved this step. Default: none needed.",
    )


class ShadowEntry(StrictModel):
    """A version that gets copies of calls and whose replies are dropped."""

    version: VersionText = Field(
        description="The version that gets the copies; neither stable nor the canary. Its calls cost money."
    )
    sample: Weight = Field(
        description="The share of the units whose calls are copied, 0% to 100%; all calls of a conversation or none. "
        "Pinned and rule-matched calls are never copied."
    )
    max_per_minute: int = Field(
        default=60,
        ge=1,
        le=_MAX_COPIES,
        description="Copies per minute and replica; further calls are not copied. Default: 60. It bounds cost, and "
        "use of your account's rate limit.",
    )
    max_usd_per_day: float | None = Field(
        default=None,
        gt=0,
        le=_MAX_USD,
        description="Daily (UTC) spend limit for shadow traffic, shared by all replicas, in USD. Default: none. "
        "Copies under way are finished; a model without a price counts as 0: see `prices`.",
    )


class HedgeEntry(StrictModel):
    """A second attempt at the next target when the first is late."""

    after: LateText = Field(
        description="When an attempt is late: a percentile of how long the version's last attempts took on this "
        "replica to the first token of a stream, or to the whole of a plain answer (p50, p75, p90, p95, p99), once "
        "100 were seen; or a fixed time, such as 800ms. p95 asks twice for about one call in twenty."
    )
    budget: Annotated[Share, AfterValidator(hedges)] = Field(
        default=0.05,
        description="Hedges as a share of the agent's calls, above 0% and at most 50%. Default: 5%. Above it late "
        "calls wait, so that a slow provider does not get every call twice.",
    )


class AgentEntry(StrictModel):
    """Distribution of one agent's calls over its versions."""

    stable: VersionText = Field(
        description="The trusted version: it serves all calls that the canary does not. A file's name, or a model "
        "as provider/model, without a file."
    )
    canary: VersionText | None = Field(
        default=None,
        description="The version on trial. Default: none. Needs `weight` or `steps`; remove both to end a trial.",
    )
    weight: Weight | None = Field(
        default=None,
        description="The canary's share of the units, 0% to 100% with at most two decimals. Default: none. "
        "Start small (5%) and raise it; nobody who had the canary loses it on the way up.",
    )
    steps: Annotated[tuple[StepEntry, ...], Field(min_length=1, max_length=_MAX_STEPS)] | None = Field(
        default=None,
        description="1 to 20 steps in place of `weight`: the rollout goes on by itself while no guardrail "
        "speaks against it, and after the last step the canary serves everything. Default: none.",
    )
    sticky: StickyUnit = Field(
        default=Sticky(),
        json_schema_extra={"default": "conversation"},
        description="The unit that stays on one version: conversation, user, request or header:<name>. Default: "
        "conversation. "
        "Keep it for chats: a change of version in mid-conversation loses the prompt cache and confuses people.",
    )
    running: Running = Field(
        default="keep",
        description="Conversations under way when a trial begins, goes on or completes: `keep` leaves "
        "each on the version that it began on, `move` follows the weight at once. Default: keep. A rollback, an abort, "
        "a lower weight and another `stable` move them in any case.",
    )
    idle: Duration = Field(
        default=1800.0,
        ge=1.0,
        le=86_400.0,
        description="Silence after which a conversation may go on with another version, 1s to 24h. Default: 30m. "
        "Choose it longer than your users take to reply.",
    )
    rules: tuple[RuleEntry, ...] = Field(
        default=(), description="Feature flags: the first that matches wins, the rest follow the split. Default: none."
    )
    fallback: tuple[ChainTargetText, ...] = Field(
        default=(),
        description="Targets to try when the version's own target fails, in order, as provider/model; `human`, only "
        "as the last, hands over to a person. Default: none; the client gets the error.",
    )
    guardrails: tuple[GuardrailText, ...] | None = Field(
        default=None,
        description="Limits; a proven breach of one rolls the canary back, such as `error_rate <= stable * 1.25`. "
        f"Default: {'; '.join(grammar.DEFAULT_GUARDRAILS)}. Leave it alone until you know why.",
    )
    signals: tuple[SignalText, ...] = Field(
        default=(),
        description="Limits; a proven breach only stops the next step, such as `ttft_p90 <= stable * 1.10`. "
        "Default: none.",
    )
    shadow: ShadowEntry | None = Field(
        default=None,
        description="A third version that gets sampled copies of calls. Its replies are dropped, and no decision uses "
        "them. Default: none.",
    )
    hedge: HedgeEntry | None = Field(
        default=None,
        description="A second attempt at the next target of `fallback` when the first is late; the client gets the "
        "first answer, and pays for both. Default: none.",
    )
    timeouts: AgentTimeouts | None = Field(
        default=None,
        description="Time limits for this agent's calls. What is not written is as in gateway.yaml. Default: the "
        "gateway's `timeouts`.",
    )
    record_content: RecordContent = Field(
        default="off",
        description="Whether the texts of calls are kept, for `/calls/{id}` and for the evaluation: `off`, `all`, or a "
        "mapping with `sample` and more. Default: off. They are your users' words: ask who may have them first.",
    )
    limits: AgentLimits | None = Field(
        default=None, description="Limits and budgets of the agent, over all who call it. Default: none."
    )
    evaluation: EvaluationEntry | None = Field(
        default=None,
        description="The evaluation without which a canary stays at 0 %. Default: none is needed.",
    )
    review: ReviewEntry | None = Field(
        default=None,
        description="The calls that people review, at `/review`. Default: none. Needs `record_content`.",
    )
    judge: JudgeEntry | None = Field(
        default=None,
        description="A model that grades a sample of the live calls, of both arms alike, off their path. Default: "
        "none. Needs `record_content`.",
    )


class RoutingFile(StrictModel):
    """Agents and their rollouts: the file to edit for a rollout."""

    agents: Mapping[Name, AgentEntry] = Field(
        description="The agents that are served. Clients send an agent's name as `model`."
    )
    aliases: Mapping[AliasName, AliasTargetText] = Field(
        default_factory=dict,
        description="Other names that clients send as `model`, each with the agent that serves it, such as "
        "{gpt-4o: customer-support}, or with a model of the gateway's `models`. Default: none.",
    )
    prompt_ids: Mapping[AliasName, Name] = Field(
        default_factory=dict,
        description="Ids that clients send as `prompt.id`, each with the agent whose prompt is meant, such as "
        "{pmpt_68a1: customer-support}. An agent's own name is always one. Default: none.",
    )
