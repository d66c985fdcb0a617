"""Configured providers as spans name them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.runtime import Channel
from gateway.telemetry.semantic_names import provider_at

Channels = Callable[[], Mapping[str, Channel]]


class SpanProvider(NamedTuple):
    """A provider by the conventions' name for it, and where it is."""

    name: str
    host: str
    port: int


def provider_of(channel: Channel) -> SpanProvider:
    """Return the provider behind a channel."""
    origin, facts = channel.endpoint.origin, channel.endpoint.api.facts
    return SpanProvider(provider_at(origin.host, facts.semantic_name), origin.host, origin.port)
