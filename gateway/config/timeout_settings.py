"""Schema of time limits: the gateway's in `gateway.yaml`, and an agent's own in `routing.yaml`."""

from typing import Final

from pydantic import Field

from gateway.config.fields import Duration, StrictModel
from routing.agents import Timeouts

LONGEST: Final = "total"  # the key that no other may exceed


class TimeoutSettings(StrictModel):
    """Time limits for providers."""

    connect: Duration = Field(default=5.0, description="Time for the connection and its TLS handshake. Default: 5s.")
    first_token: Duration = Field(
        default=60.0,
        description="Time from the request to the first token of a stream. Default: 60s. "
        "Raise it for models that think for long.",
    )
    answer: Duration = Field(
        default=120.0,
        description="Time from the request to the end of an answer that is not streamed, at one target. Default: 2m. "
        "Keep it well below `total`, or a target that hangs leaves no time for the next one.",
    )
    between_chunks: Duration = Field(
        default=60.0, description="The longest silence within an answer before it counts as broken. Default: 60s."
    )
    total: Duration = Field(
        default=600.0, description="Time of a whole call, over all retries and fallbacks. Default: 10m."
    )


class AgentTimeouts(StrictModel):
    """Time limits for one agent's calls, in place of the gateway's."""

    connect: Duration | None = Field(
        default=None, description="As the gateway's `connect`, where a connection is made. Default: the gateway's."
    )
    first_token: Duration | None = Field(
        default=None, description="Time from the request to the first token of a stream. Default: the gateway's."
    )
    answer: Duration | None = Field(
        default=None,
        description="Time from the request to the end of an answer that is not streamed, at one target. Default: the "
        "gateway's.",
    )
    between_chunks: Duration | None = Field(
        default=None, description="The longest silence within an answer. Default: the gateway's."
    )
    total: Duration | None = Field(
        default=None,
        description="Time of a whole call, over all retries and fallbacks. Default: the gateway's. No other limit of "
        "the agent may be longer.",
    )


def resolve(own: AgentTimeouts | None, general: TimeoutSettings) -> Timeouts | None:
    """Return an agent's limits, whole; None where it has none of its own."""
    if own is None:
        return None
    return Timeouts(
        own.first_token or general.first_token,
        own.between_chunks or general.between_chunks,
        own.answer or general.answer,
        own.total or general.total,
        own.connect,
    )
