"""Providers that offer the forwarded endpoints of an API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.calls import Caller
from gateway.errors import CallerError, Forbidden, Headers, NotFound, ProviderError
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.openai_chat.errors import read_error
from gateway.formats.openai_responses.provider_request import PATH as RESPONSES
from gateway.formats.prompt import FormatName
from gateway.formats.protocol import ClientSide, ProviderSide
from gateway.runtime import Channel, Runtime

_LISTS = ("GET", "HEAD")
_ABOVE_LISTS = frozenset({"audio", "chat", "fine_tuning", "messages"})  # parts of paths that are no lists themselves


@dataclass(frozen=True, slots=True)
class ForwardedApi:
    """An API whose endpoints are forwarded: its clients' format, its providers, how to read their errors."""

    client: FormatName
    name: str
    prefix: str
    is_offered_by: Callable[[ProviderSide], bool]
    read_error: Callable[[ProviderSide, int, Headers, bytes], ProviderError]
    kept_at: str  # where its answers are asked for by their ids, '' where they are not


OPENAI = ForwardedApi(
    CHAT, "OpenAI's API", "/v1", lambda side: side.facts.has_openai_endpoints,
    lambda _side, status, headers, body: read_error(status, headers, body), RESPONSES,
)  # fmt: skip


def api_of(side: ClientSide, prefix: str) -> ForwardedApi:
    """Return the API of a client format, which a provider of that format offers."""
    return ForwardedApi(
        side.name, f"`api: {side.name}`", prefix, lambda provider: provider.name == side.name,
        lambda provider, status, headers, body: provider.error(status, headers, body), side.door.kept_at,
    )  # fmt: skip


def api_of_kept(side: ClientSide, prefix: str) -> ForwardedApi:
    """Return the part of a client format's API that asks for answers by their ids, at any provider that keeps them."""
    kept_at = side.door.kept_at
    return ForwardedApi(
        side.name, f"`api: {side.name}`", prefix, lambda provider: provider.facts.keeps_answers_at == kept_at,
        lambda provider, status, headers, body: provider.for_client(side.name).error(status, headers, body), kept_at,
    )  # fmt: skip


def only_provider(channels: Mapping[str, Channel], path: str, api: ForwardedApi = OPENAI) -> str:
    """Return the provider of a request without an agent. Raises CallerError when there are several, or none."""
    speaking = [name for name, channel in channels.items() if api.is_offered_by(channel.endpoint.api)]
    if path.startswith(f"{RESPONSES}/"):  # ids are given out by these alone
        speaking = [name for name in speaking if channels[name].endpoint.api.facts.keeps_answers_at] or speaking
    if len({channels[name].endpoint.account for name in speaking}) == 1:  # two formats of one account are no choice
        return speaking[0]
    if not speaking:
        message = f"there is nothing at '{api.prefix}{path}': no provider here speaks {api.name}"
        raise NotFound(message, code="unknown_url")
    way_out = "name an agent, as 'model' in the body or as '?model=' in the query"
    raise CallerError(f"providers {', '.join(speaking)} all speak {api.name}: {way_out}", param="model")


def check_speaks(channel: Channel, path: str, api: ForwardedApi = OPENAI) -> None:
    """Raise NotFound where an agent's provider does not speak the API."""
    endpoint = channel.endpoint
    if not api.is_offered_by(endpoint.api):
        why = f"the agent's provider {endpoint.name!r} has `api: {endpoint.format}`, and {api.name} has this endpoint"
        raise NotFound(f"there is nothing at '{api.prefix}{path}': {why}", code="unknown_url", param="model")


def check_list(method: str, path: str, provider: str, runtime: Runtime, caller: Caller) -> None:
    """Raise Forbidden where a key that is for some agents asks for a list at an account that it shares: it would name
    what every other key stores there."""
    if provider in runtime.shared.get(caller.name, ()) and method in _LISTS and _is_list(path):
        raise Forbidden(
            f"provider {provider!r} is one account for several keys, and a list names what each of them stores: "
            "ask for an object by its id, or use a key for all agents"
        )


def _is_list(path: str) -> bool:
    """Return whether a path behind the base path names no object, as the most lenient server would read it."""
    parts = [part.partition(";")[0].strip().casefold() for part in unquote(path).split("/")]
    above, *rest = [part for part in parts if part] or [""]
    return not rest or (above in _ABOVE_LISTS and len(rest) == 1)
