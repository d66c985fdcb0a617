"""Schema of `notify` and `alerts` in `gateway.yaml`: who hears of decisions and alerts, and when there is an alert."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.fields import Duration, Name, Secret, Share, StrictModel, WebhookUrl
from policies.rollout.state import Action

AlertKind = Literal[
    "stable_failing", "provider_key_refused", "provider_down", "spend", "escalations_waiting", "store_away",
    "config_refused", "judge_paused", "limit_soft", "limit_reached",
]  # fmt: skip
Heard = Literal[Action, "misconfigured", "retirement", AlertKind]
# What a person wants to hear of unasked: a canary went out, stopped, or won, a record was lost, something is down.
NOTIFIED: tuple[Heard, ...] = (
    "roll_back", "exclude", "pause", "complete", "abort", "restore", "misconfigured", "retirement", "stable_failing",
    "provider_key_refused", "provider_down", "spend", "escalations_waiting", "store_away", "config_refused",
    "judge_paused", "limit_soft", "limit_reached",
)  # fmt: skip


class ReceiverSettings(StrictModel):
    """A webhook that receives notices about rollouts, and alerts."""

    url: WebhookUrl = Field(
        description="Where the notice is posted, at least once, with an idempotency key: a URL, which may hold "
        "${VARIABLE}. Slack's is a secret: write ${SLACK_URL}."
    )
    format: Literal["json", "slack", "pagerduty", "teams"] = Field(
        default="json",
        description="`json`: the event. `slack`: a line that Slack shows. `pagerduty`: an event of its Events API v2, "
        "with `routing_key`. `teams`: an adaptive card for a workflow's webhook. Default: json.",
    )
    routing_key: Secret | None = Field(
        default=None,
        description="PagerDuty's integration key, as ${VARIABLE}; required with `format: pagerduty`. Default: none.",
    )
    agents: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None, description="Agents whose rollouts it is notified of. Default: all."
    )
    on: Annotated[tuple[Heard, ...], Field(min_length=1)] = Field(
        default=NOTIFIED,
        description="What it hears of, as the audit names it, and `misconfigured`: a target cannot serve because of "
        f"its key or address; `retirement`: a provider ends a model; and alerts. Default: {', '.join(NOTIFIED)}.",
    )
    allow_private: bool = Field(
        default=False,
        description="Allow a private, loopback or link-local address. Default: false. "
        "Leave it so unless the receiver really is in your own network.",
    )
    secret: Secret | None = Field(
        default=None,
        description="Secret, as ${VARIABLE}, that signs each notice as `escalation.secret` signs a handover. "
        "Default: none; nothing is signed.",
    )

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        if (self.format == "pagerduty") != (self.routing_key is not None):
            raise ValueError("`routing_key` goes with `format: pagerduty`, and with no other format")
        return self


class AlertSettings(StrictModel):
    """Thresholds of alerts, and how often each is told."""

    stable_errors: Share = Field(
        default=0.2,
        gt=0,
        description="Share of the stable version's calls of the last 5 minutes that fail. Default: 20%. Whatever it "
        "is, 5% and three times the hour before are an alert, too.",
    )
    usd_per_day: float | None = Field(
        default=None, gt=0, le=1e9, description="US dollars that all agents may cost on a day (UTC). Default: no limit."
    )
    escalations: Duration = Field(
        default=900.0, description="How long a conversation may wait for a person's reply. Default: 15m."
    )
    window: Duration = Field(
        default=3600.0, description="An alert that comes again within this time is told once. Default: 60m."
    )
