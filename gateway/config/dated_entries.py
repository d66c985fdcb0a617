"""Schema of what `gateway.yaml` says of targets from a day on: prices, and retirements of models."""

import datetime
from typing import Literal

from pydantic import Field

from gateway.config.fields import StrictModel, TargetText


class Price(StrictModel):
    """The price of a target from a date on; replaces the built-in price list."""

    target: TargetText = Field(description="provider/model, such as openai/gpt-4o.")
    since: datetime.date = Field(alias="from", description="The first day (UTC) of this price, such as 2026-01-31.")
    input: float = Field(ge=0, le=1_000_000, description="USD per million input tokens.")
    output: float = Field(ge=0, le=1_000_000, description="USD per million output tokens.")
    cached_input: float | None = Field(
        default=None, ge=0, le=1_000_000, description="USD per million cached input tokens. Default: as `input`."
    )
    cache_write: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="USD per million input tokens that a provider writes into its prompt cache. Default: as `input`.",
    )
    cache_write_1h: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="The same where it keeps them for an hour (Anthropic's `ttl: 1h`). Default: as `cache_write`.",
    )
    input_audio: float | None = Field(
        default=None, ge=0, le=1_000_000, description="USD per million input tokens of recordings. Default: not known."
    )
    output_audio: float | None = Field(
        default=None, ge=0, le=1_000_000, description="USD per million output tokens of speech. Default: not known."
    )
    output_image: float | None = Field(
        default=None, ge=0, le=1_000_000, description="USD per million output tokens of images. Default: not known."
    )
    service_tier: Literal["priority", "flex", "batch", "scale", "fast", "optimized"] | None = Field(
        default=None,
        description="The service tier that this price is for, as answers name it. Default: the usual one. Calls of "
        "another tier have no price without an entry.",
    )


class Retirement(StrictModel):
    """The day on which a provider ends a model; replaces what the provider reports and the built-in list."""

    target: TargetText = Field(description="provider/model, such as openai/gpt-4o.")
    on: datetime.date | Literal["never"] = Field(
        description="The first day (UTC) without the model, such as 2027-01-14; `never` where it stays."
    )
