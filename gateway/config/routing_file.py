"""What `routing.yaml` may say: which version of an agent gets which calls."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.config import headers
from gateway.config.fields import LinkText, Model, Name, StickyUnit, Weight
from gateway.config.problems import quoted, unknown
from policies import guardrails
from routing.agents import Sticky
from routing.rules import FACT_NAMES, HEADER_PREFIX

_MAX_VALUES = 1_000  # a rule is looked through for every call


def fact_name(value: object) -> str:
    """A fact that rules may ask for. Raises ValueError with the way out."""
    if isinstance(value, str) and value.startswith(HEADER_PREFIX):
        return HEADER_PREFIX + headers.fact_header(value.removeprefix(HEADER_PREFIX))
    if value not in FACT_NAMES:
        raise ValueError(unknown("fact", str(value), (*FACT_NAMES, "header:<name>")))
    return value


def fact_values(value: object) -> tuple[str, ...]:
    """One value or a list of them, as text. Raises ValueError with the way out."""
    values = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(values) <= _MAX_VALUES:
        raise ValueError(f"must hold 1 to {_MAX_VALUES} values")
    return tuple(_fact_value(each) for each in values)


def guardrail(value: str) -> str:
    """A guardrail that can be read. Raises ValueError with the way out."""
    guardrails.parse(value)
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
GuardrailText = Annotated[str, AfterValidator(guardrail)]


class RuleEntry(Model):
    """A feature flag: calls whose facts match use one version."""

    when: Mapping[FactName, FactValues] = Field(
        description="Facts and the value, or the values, that each must have; all must match. Facts: caller, group, "
        "user, conversation, stream, header:<name>. An empty mapping matches every call."
    )
    use: Name = Field(description="The version that serves the calls that match.")


class AgentEntry(Model):
    """Who gets which version of one agent."""

    later: ClassVar[dict[str, str]] = {
        "steps": "is not supported by this version yet; use `weight` and raise it by hand",
        "shadow": "is not supported by this version yet; remove it",
        "signals": "is not supported by this version yet; remove it, or write the limit under `guardrails`",
    }

    stable: Name = Field(description="The version that is trusted: it serves all calls that the canary does not.")
    canary: Name | None = Field(
        default=None, description="The version on trial. Default: none. Needs `weight`; remove both to end a trial."
    )
    weight: Weight | None = Field(
        default=None,
        description="The canary's share of the units, 0% to 100% with at most two decimals. Default: none. "
        "Start small (5%) and raise it; nobody who had the canary loses it on the way up.",
    )
    sticky: StickyUnit = Field(
        default=Sticky(),
        json_schema_extra={"default": "conversation"},
        description="What is kept on one version: conversation, user, request or header:<name>. Default: conversation. "
        "Leave it alone for chats: a change of version in mid-conversation costs the prompt cache and confuses people.",
    )
    rules: tuple[RuleEntry, ...] = Field(
        default=(), description="Feature flags: the first that matches wins, the rest follow the split. Default: none."
    )
    fallback: tuple[LinkText, ...] = Field(
        default=(),
        description="Where a call goes when its version's own target fails: provider/model in order; `human`, only as "
        "the last, hands over to a person. Default: none, the failure reaches the client.",
    )
    guardrails: tuple[GuardrailText, ...] | None = Field(
        default=None,
        description="Limits of which one proven breach rolls the canary back, such as `error_rate <= stable * 1.25`. "
        "Default: error_rate <= stable * 1.25 and error_rate <= 20%. Leave it alone until you know why.",
    )


class RoutingFile(Model):
    """The file that one edits for a rollout."""

    agents: Mapping[Name, AgentEntry] = Field(
        description="The agents that are served. Clients send an agent's name as `model`."
    )
