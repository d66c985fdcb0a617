"""Runtime of one loaded configuration, prepared once so that calls only look things up."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.auth import Doorkeeper
from gateway.errors import ProviderError
from gateway.formats.endpoint import ProviderEndpoint
from gateway.models.names import ModelNames
from gateway.net.browser_guard import BrowserGuard
from gateway.net.client import Request, Response, Transport
from gateway.net.client.decoding import decoded
from gateway.net.client.redacting import RedactedResponse, redact
from gateway.pricing import PriceBook
from gateway.prompts.names import PromptNames
from gateway.redaction import Redactor
from policies.calls.retry import Backoff
from routing.agents import Timeouts


@dataclass(frozen=True, slots=True)
class RetryRules:
    """`per_target` retries after the first try, `max_attempts` over the whole call."""

    per_target: int
    max_attempts: int
    budget: float
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """Rules of circuits: failures in a row that open one, and seconds until the first probe."""

    failures: int
    open_for: float


@dataclass(frozen=True, slots=True)
class Channel:
    """A provider as attempts need it: where it stands, and who carries requests there."""

    endpoint: ProviderEndpoint
    transport: Transport

    @property
    def redactor(self) -> Redactor | None:
        """Return what replaces the account's secrets; None where it has none."""
        return self.endpoint.redactor()

    async def send(self, request: Request, limit: int) -> Response:
        """Send the request there; its answer, decoded up to `limit` bytes, without the account's secrets.

        Raises as the transport does.
        """
        redactor = self.endpoint.redactor()
        if redactor is None:
            return decoded(await self.transport.send(request), limit)
        try:
            return RedactedResponse(decoded(await self.transport.send(request), limit), redactor)
        except ProviderError as error:
            redact(error, redactor)
            raise


@dataclass(frozen=True, slots=True)
class Runtime:
    """A loaded configuration, minus the agents. Sizes are in bytes.

    `forward` are patterns of client headers that go upstream; `facts_headers` those that rules and `sticky` ask for.
    `guard` keeps foreign web pages out where there are no keys, else it is None.
    `timeouts` hold where an agent has none of its own. `signing_secret` is what the webhook of escalations signs a
    person's reply with, None where it cannot. `names` are those that clients may send as `model`,
    `prompts` those of `prompt.id`. `shared` are the providers whose accounts a key for some agents shares with other
    keys, by its name.
    """

    digest: str
    channels: Mapping[str, Channel]
    timeouts: Timeouts
    retries: RetryRules
    circuit: CircuitRules
    body_limit: int
    answer_limit: int
    values_limit: int
    escalation_message: str
    forward: tuple[str, ...]
    facts_headers: frozenset[bytes]
    fingerprint_key: bytes
    prices: PriceBook
    doorkeeper: Doorkeeper
    cors: frozenset[str]
    guard: BrowserGuard | None
    signing_secret: bytes | None
    names: ModelNames
    prompts: PromptNames
    shared: Mapping[str, frozenset[str]]
