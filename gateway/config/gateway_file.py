"""Schema of `gateway.yaml`: the deployment. The resolved file is the `settings` of a deployment."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from gateway.config.dated_entries import Price as Price
from gateway.config.dated_entries import Retirement as Retirement
from gateway.config.fields import (
    EMBEDDED,
    Address,
    BaseUrl,
    Duration,
    DurationOrZero,
    HeaderPattern,
    HostName,
    Listen,
    ModelPatternText,
    Name,
    Origin,
    Secret,
    Sha256,
    Share,
    Size,
    StoreUrl,
    StrictModel,
    WebhookUrl,
)
from gateway.config.key_scope import agents_in_scope, models_in_scope
from gateway.config.limit_settings import EndUserEntry, GroupEntry, HolderLimits
from gateway.config.notify_settings import AlertSettings, ReceiverSettings
from gateway.config.provider_settings import Provider as Provider
from gateway.config.timeout_settings import TimeoutSettings as TimeoutSettings
from gateway.json_size import MOST_VALUES

_HANDED_OVER = (
    "I cannot answer this reliably right now, so I am handing our conversation over to a person. "
    "They can see what you wrote and will get back to you."
)


class ClientKey(StrictModel):
    """A caller of the gateway. Rules see the name as the fact `caller`."""

    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the key that the client sends, 64 hex digits in quotes. Needed here or in `sha256s`.",
    )
    sha256s: Annotated[tuple[Sha256, ...], Field(max_length=4)] = Field(
        default=(),
        description="SHA-256s of up to four keys that are this caller's, such as [new, old] while a key is rotated. "
        "Default: none but `sha256`.",
    )
    expires: datetime.date | None = Field(
        default=None,
        description="The day (UTC) from which the caller's keys are refused, such as 2026-12-31. Default: never.",
    )
    group: Name = Field(
        default="default",
        description="The caller's group, such as internal; rules see it as the fact `group`. Default: default.",
    )
    agents: tuple[Name, ...] | None = Field(
        default=None,
        description="The agents this key may call. Default: all of them, or none where `models` of this key names any.",
    )
    models: tuple[ModelPatternText, ...] | None = Field(
        default=None,
        description="The plain models this key may call, of those in the gateway's `models`. Default: all of those, or "
        "none where the key has `agents`.",
    )
    reviews: tuple[Name, ...] = Field(
        default=(),
        description="The agents whose waiting calls this key may review at `/review`, and so read, whoever made them. "
        "Default: none.",
    )
    limits: HolderLimits | None = Field(default=None, description="Limits and budgets of this key. Default: none.")

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the SHA-256s of all keys of the caller."""
        return self.sha256s if self.sha256 is None else (self.sha256, *self.sha256s)

    @property
    def agents_in_scope(self) -> tuple[str, ...] | None:
        """Return the agents that the key may call; None for all."""
        return agents_in_scope(self.agents, self.models)

    @property
    def models_in_scope(self) -> tuple[str, ...] | None:
        """Return the patterns of plain models that the key may call; None for all that are passed on."""
        return models_in_scope(self.agents, self.models)


class Retries(StrictModel):
    """Rules for repeating a failed attempt. A fallback goes to another target and is not a retry."""

    per_target: int = Field(
        default=1, ge=0, le=10, description="Retries at one target before the next target. Default: 1; 0 for none."
    )
    max_attempts: int = Field(
        default=4, ge=1, le=20, description="Attempts of one call over all targets. Default: 4. Rarely worth changing."
    )
    budget: Share = Field(
        default=0.2,
        description="Retries as a share of calls; above it nothing is retried, so that an outage is not made worse. "
        "Default: 20%.",
    )
    base: Duration = Field(
        default=0.25, description="The wait before the first retry; it doubles, with jitter. Default: 250ms."
    )
    cap: Duration = Field(
        default=5.0, description="The longest wait that the gateway itself chooses. Default: 5s. Not below `base`."
    )


class CircuitSettings(StrictModel):
    """Rules for suspending calls to a failing target."""

    failures: int = Field(
        default=5, ge=1, le=10_000, description="Consecutive failures that open the circuit of a target. Default: 5."
    )
    open_for: Duration = Field(
        default=10.0, description="How long an open circuit stays open before one call tries the target. Default: 10s."
    )


class LimitSettings(StrictModel):
    """Upper limits. Above them a client gets 413 or 503."""

    body: Size = Field(
        default=32 * 1024**2,
        description="Largest request body that is read into memory: every call of a model, and all JSON. Default: "
        "32MB.",
    )
    upload: Size = Field(
        default=512 * 1024**2,
        description="A file or form that is passed on as it comes, and not held. Default: 512MB, as OpenAI takes. "
        "Never less than `body`.",
    )
    answer: Size = Field(
        default=32 * 1024**2, description="Largest answer of a provider that is not a stream. Default: 32MB."
    )
    values: int = Field(
        default=MOST_VALUES,
        ge=10_000,
        le=100_000_000,
        description="JSON values in a request's body; an array or object counts as five. Default: 1000000, far above "
        "what models read. An answer may hold eight times as many.",
    )
    in_flight: int = Field(default=2000, ge=1, le=1_000_000, description="Concurrent calls. Default: 2000.")
    websockets: int = Field(
        default=1000,
        ge=0,
        le=1_000_000,
        description="Open WebSockets, for calls of the Responses API. 0: none; clients are told to use HTTP. "
        "Default: 1000.",
    )
    delay: Duration = Field(
        default=0.025,
        description="How late the event loop of a process may be, for half a second, before it sheds calls with 503. "
        "Default: 25ms. A call waits that long about four times. `1h` switches it off.",
    )
    memory: Size | None = Field(
        default=None,
        description="Memory of a process, at nine tenths of which it sheds calls with 503. Default: none. The limits "
        "of its control groups (a container's) hold in any case.",
    )
    connections: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Open client connections, including idle ones. Default: 10000."
    )


class EscalationSettings(StrictModel):
    """Settings for handing a conversation over to people (the target `human`)."""

    message: str = Field(
        default=_HANDED_OVER,
        min_length=1,
        max_length=10_000,
        description="The text that the client gets as the agent's answer. Default: that a person takes over.",
    )
    webhook: WebhookUrl | None = Field(
        default=None,
        description="URL that receives each handover (POST, JSON). Default: none; it may hold ${VARIABLE}.",
    )
    desk: bool = Field(
        default=False,
        description="Say that people watch `serinus escalations`, or ask the API for it, and reply there. Default: "
        "false. `human` in a chain needs this or a webhook: it promises the client that a person will answer.",
    )
    allow_private_webhook: bool = Field(
        default=False,
        description="Allow a webhook at a private, loopback or link-local address. Default: false. "
        "Leave it so unless the receiver really is in your own network.",
    )
    secret: Secret | None = Field(
        default=None,
        description="Secret, as ${VARIABLE}, that signs handovers; the webhook may sign a person's reply with it. "
        "Default: none; nothing is signed, and a reply needs the admin token.",
    )


class GatewaySettings(StrictModel):
    """The deployment: where it listens, what it remembers in, whom it calls and who may call it."""

    listen: Listen = Field(
        default=Address("127.0.0.1", 8080),
        json_schema_extra={"default": "127.0.0.1:8080"},
        description="host:port to listen on. Default: 127.0.0.1:8080. Any address beyond loopback needs `keys`. "
        "SERINUS_LISTEN overrides it.",
    )
    store: StoreUrl = Field(
        default=SecretStr(EMBEDDED),
        json_schema_extra={"default": EMBEDDED},  # a secret would show as asterisks
        description="The shared state: `embedded` starts a private Redis; otherwise a redis://, rediss://, unix://, "
        "redis+sentinel:// or redis+cluster:// URL (rediss+… with TLS). Its password is a ${VARIABLE}, or comes from a "
        "file, a command or AWS IAM: see docs/store.md. Default: embedded. "
        "SERINUS_STORE overrides it.",
    )
    data: Path = Field(
        default=Path(".serinus"),
        description="Folder of the embedded store, and of what this installation has seen of any store; relative to "
        "the current folder. Default: .serinus. SERINUS_DATA overrides it.",
    )
    store_binary: Path | None = Field(
        default=None,
        description="Server program for `store: embedded`, such as /usr/bin/valkey-server, in place of the bundled "
        "Valkey. One that cannot read the data folder, such as an older one, is refused. Default: the bundled one.",
    )
    providers: Mapping[Name, Provider] = Field(min_length=1, description="Provider accounts, by name. At least one.")
    keys: Mapping[Name, ClientKey] = Field(
        default_factory=dict,
        description="Callers and their keys, by name. Default: no key is required, which only a loopback `listen` "
        "allows.",
    )
    groups: Mapping[Name, GroupEntry] = Field(
        default_factory=dict, description="Limits of groups of callers, by the `group` of their keys. Default: none."
    )
    end_users: EndUserEntry | None = Field(
        default=None, description="Limits of each end user that requests name. Default: none."
    )
    models: tuple[ModelPatternText, ...] = Field(
        default=(),
        description="Plain models that callers may name beside agents: provider/model, or a beginning with a star "
        "(openai/*). Calls of them are passed on and metered, apart from every trial. Default: none.",
    )
    forward_headers: tuple[HeaderPattern, ...] = Field(
        default=(),
        description="Request headers that go to the provider beyond the usual ones; a star ends a pattern (x-trace-*). "
        "Default: none. Credentials and cookies are never forwarded.",
    )
    timeouts: TimeoutSettings = Field(default_factory=TimeoutSettings, description="Time limits for providers.")
    retries: Retries = Field(default_factory=Retries, description="Rules for repeating a failed attempt.")
    circuit: CircuitSettings = Field(
        default_factory=CircuitSettings, description="Rules for suspending calls to a failing target."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="Upper limits.")
    escalation: EscalationSettings = Field(
        default_factory=EscalationSettings,
        description="Settings for handing a conversation over to people (the target `human`).",
    )
    notify: Annotated[tuple[ReceiverSettings, ...], Field(max_length=20)] = Field(
        default=(), description="Webhooks that receive notices about rollouts, and alerts. Default: none."
    )
    alerts: AlertSettings = Field(
        default=AlertSettings(), description="When there is an alert, and how often it is told. Default: see its keys."
    )
    public_url: BaseUrl | None = Field(
        default=None,
        description="Address under which people reach this gateway, such as https://gateway.example.com: notices, log "
        "lines of decisions and the banner link to the status page there. Default: none; notices have no link, the "
        "others that of this machine.",
    )
    prices: tuple[Price, ...] = Field(
        default=(), description="Dated prices that override the built-in price list. Default: none."
    )
    retirements: tuple[Retirement, ...] = Field(
        default=(),
        description="Days on which providers end models, where the built-in list is wrong or does not know. "
        "Default: none.",
    )
    cors: tuple[Origin, ...] = Field(
        default=(),
        description="Origins whose web pages may call from a browser, such as https://app.example.com. Default: none.",
    )
    hosts: tuple[HostName, ...] = Field(
        default=(),
        description="Further names, without a port, under which programs call a gateway without `keys`, such as "
        "host.docker.internal. Default: none but loopback. Leave it alone where there are `keys`.",
    )
    admin_token_sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the operators' token, 64 hex digits in quotes. Default: none; operator commands are "
        "then off. SERINUS_ADMIN_TOKEN (the token itself) overrides it.",
    )
    metrics_token_sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the token with which a monitoring system reads `/metrics`, and nothing else, 64 hex "
        "digits in quotes. Default: none; where there are `keys`, `/metrics` then takes the admin token alone.",
    )
    fingerprint_key: Secret | None = Field(
        default=None,
        description="Secret, as ${VARIABLE}, that keys the fingerprints of conversations without an id; the same on "
        "every replica. It also signs call ids. Default: a random one, made at the first start and kept in the store. "
        "Set it where whoever reads the store must not recognise a message.",
    )
    drain: DurationOrZero = Field(
        default=30.0, description="How long open streams may take to finish after SIGTERM. Default: 30s."
    )

    @property
    def embedded_folder(self) -> Path:
        """Return the embedded store's own folder within `data`."""
        return self.data / "redis"
