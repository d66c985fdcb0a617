"""Providers that offer the forwarded endpoints of OpenAI's API."""

from collections.abc import Hashable, Iterable, Mapping

from gateway.errors import CallerError, NotFound
from gateway.formats.registry import PROVIDERS
from gateway.runtime import Channel


def only_provider(channels: Mapping[str, Channel], path: str) -> str:
    """The provider that a request without an agent is for. Raises CallerError when there are several, or none."""
    speaking = [name for name, channel in channels.items() if channel.endpoint.api.facts.has_openai_endpoints]
    if path.startswith("/responses/"):  # ids are given out by these alone
        speaking = [name for name in speaking if channels[name].endpoint.api.facts.stores_responses] or speaking
    if len({_account(channels[name]) for name in speaking}) == 1:  # two formats of one account are no choice
        return speaking[0]
    if not speaking:
        raise NotFound(f"there is nothing at '/v1{path}': no provider here speaks OpenAI's API", code="unknown_url")
    way_out = "name an agent, as 'model' in the body or as '?model=' in the query"
    raise CallerError(f"providers {', '.join(speaking)} all speak OpenAI's API: {way_out}", param="model")


def _account(channel: Channel) -> Hashable:
    endpoint = channel.endpoint
    return endpoint.origin, endpoint.base_path, endpoint.headers, endpoint.fixed


def check_dialect(headers: Iterable[bytes], path: str) -> None:
    """Raise NotFound for a request in the dialect of another API: its file would be stored in OpenAI's account."""
    names = tuple(headers)
    for side in PROVIDERS.values():
        prefix = side.facts.header_prefix
        if prefix and not side.facts.has_openai_endpoints and any(name.startswith(prefix) for name in names):
            why = f"the request's headers are of `api: {side.name}`, and only OpenAI's endpoints are forwarded"
            raise NotFound(f"there is nothing at '/v1{path}': {why}", code="unknown_url")


def check_speaks(channel: Channel, path: str) -> None:
    """Raise NotFound where an agent's provider does not speak OpenAI's API."""
    endpoint = channel.endpoint
    if not endpoint.api.facts.has_openai_endpoints:
        why = (
            f"the agent's provider {endpoint.name!r} has `api: {endpoint.format}`, and only OpenAI's has this endpoint"
        )
        raise NotFound(f"there is nothing at '/v1{path}': {why}", code="unknown_url", param="model")
