"""Wiring of a loaded configuration to the runtime: the only module that knows both shapes."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from functools import partial

from pydantic import SecretStr

from gateway.api.endpoint import Services
from gateway.auth import Doorkeeper, Key, is_only_caller
from gateway.call.kept_items import MOST_CHAINED_BYTES, KeptItems
from gateway.calls import Caller
from gateway.config import Deployment, GatewaySettings
from gateway.config.provider_settings import Provider
from gateway.config.secrets import known_secrets
from gateway.config.tenancy import shared_providers
from gateway.contents.redacting import Secrets
from gateway.formats.clients import refusal_body
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.registry import PROVIDERS
from gateway.limits.leasing import Leases
from gateway.limits.limits import Limits
from gateway.limits.rules import RuleBook
from gateway.live_judge.live_judge import LiveJudge
from gateway.logs import Log
from gateway.models.known import KnownModels, ModelLists, Source
from gateway.models.names import ModelNames
from gateway.net.browser_guard import BrowserGuard
from gateway.net.client.options import TransportOptions
from gateway.net.client.upstreams import Upstreams, transport
from gateway.net.server import ServerLimits
from gateway.passthrough.model_list import fetch_models
from gateway.passthrough.uploads import takes_uploads
from gateway.pricing import PriceBook, PriceList
from gateway.prompts.names import PromptNames
from gateway.redaction import Redactor
from gateway.rollout.alerts import AlertWatch
from gateway.rollout.limit_alerts import LimitAlerts
from gateway.rollout.notifications import Receiver
from gateway.rollout.recorder import Clock, Recorder
from gateway.runtime import Channel, CircuitRules, RetryRules, Runtime
from gateway.store.seam import Store
from gateway.telemetry.call_counts import KnownTargets
from gateway.telemetry.otel_settings import OtelSettings
from gateway.telemetry.parts import TracingParts
from gateway.telemetry.seam import CallTracing
from gateway.telemetry.semantic_names import provider_at
from gateway.telemetry.start import start_tracing
from gateway.timings import USUAL, Timings
from gateway.traces.finished import FinishedCalls
from gateway.traces.writer import TraceWriter
from gateway.webhook.webhook import Webhook, origin_of
from policies.calls.retry import Backoff
from routing.agents import Agent, Target, Timeouts
from routing.models import ModelPattern
from routing.rules import HEADER_PREFIX

_LONGEST_KEY_BYTES = 64
_SHORTEST_SECRET = 8  # in the log, which has no words of models in it


def runtime(
    deployment: Deployment, upstreams: Upstreams, pricelist: PriceList, lists: ModelLists, shared_key: bytes
) -> Runtime:
    """The runtime of a deployment whose providers are reached over those transports.

    `lists` has the providers' own lists of models. `shared_key` is the fingerprint key where the configuration has
    none.
    """
    settings = deployment.settings
    channels, book = channels_of(settings, upstreams), prices(settings, pricelist)
    return Runtime(
        digest=deployment.digest,
        channels=channels,
        timeouts=_timeouts(settings),
        retries=_retries(settings),
        circuit=CircuitRules(settings.circuit.failures, settings.circuit.open_for),
        body_limit=settings.limits.body,
        answer_limit=settings.limits.answer,
        values_limit=settings.limits.values,
        escalation_message=settings.escalation.message,
        forward=settings.forward_headers,
        facts_headers=_facts_headers(deployment.agents),
        fingerprint_key=fingerprint_key(settings, shared_key),
        prices=book,
        doorkeeper=_doorkeeper(settings),
        cors=frozenset(settings.cors),
        guard=None if settings.keys else BrowserGuard((settings.listen.host, *settings.hosts), settings.cors),
        signing_secret=_signing_secret(settings),
        names=_names(deployment, channels, book, lists),
        prompts=PromptNames.of(deployment.agents, deployment.prompt_ids),
        shared=shared_providers(settings, deployment.agents),
    )


def channels_of(settings: GatewaySettings, upstreams: Upstreams) -> dict[str, Channel]:
    """Return each provider as attempts need it, by its name."""
    providers = settings.providers
    return {name: Channel(endpoint_of(name, given), upstreams.of(name)) for name, given in providers.items()}


def _names(deployment: Deployment, channels: Mapping[str, Channel], book: PriceBook, lists: ModelLists) -> ModelNames:
    sources = {name: _source(channel) for name, channel in channels.items()}
    accounts = {name: source.account for name, source in sources.items()}
    models = _patterns(deployment.settings.models)
    return ModelNames(deployment.agents, deployment.aliases, models, accounts, KnownModels(lists, sources, book))


def _source(channel: Channel) -> Source:
    endpoint = channel.endpoint
    has_list = endpoint.api.facts.models_path is not None
    return Source(endpoint.account, partial(fetch_models, channel, USUAL.model_list) if has_list else None)


def _patterns(texts: Iterable[str]) -> tuple[ModelPattern, ...]:
    return tuple(map(ModelPattern.of, texts))


def redactor(*settings: GatewaySettings) -> Redactor:
    """Return the redactor that keeps every secret of these deployments out of the log."""
    return Redactor(frozenset().union(*map(known_secrets, settings)), shortest=_SHORTEST_SECRET)


def call_limits(store: Store, clock: Clock, deployment: Deployment, log: Log) -> Limits:
    """Return the limits of callers and agents, which the store shares."""
    made = Limits(Leases(store, clock.monotonic, clock.unix, log), clock.monotonic, clock.unix)
    made.follow(RuleBook.of(deployment))
    return made


def trace_writer(store: Store, finished: FinishedCalls, log: Log, deployment: Deployment, made: Runtime) -> TraceWriter:
    """Return what writes records and contents of calls."""
    writer = TraceWriter(store, finished, log)
    let_follow(writer, deployment, made)
    return writer


def with_live_judge(
    services: Services, traces: TraceWriter, watch: AlertWatch, clock: Clock, timings: Timings
) -> Services:
    """Return the services with the judge of live calls; status and alerts know of it, and alerts of limits."""
    recorder = services.proxy.recorder
    judge = LiveJudge(services.store, services.table, recorder, traces.contents, clock, services.log, timings)
    judge.runtime, judge.limits = lambda: services.runtime, services.proxy.limits
    services.status.judge = judge.view
    services.judge = judge
    judge.listeners.append(services.reviews.queue.note_verdicts)
    watch.add_source(judge.alerts)
    watch.add_source(LimitAlerts(services.store, services.proxy.limits, clock).find)
    return services


def let_follow(writer: TraceWriter, deployment: Deployment, made: Runtime) -> None:
    """Let it know the agents that share the store, and the secrets that must not be in recorded texts."""
    writer.share_among(len(deployment.agents))
    writer.contents.redactor.secrets = Secrets(redactor(deployment.settings), made.doorkeeper)


def fingerprint_key(settings: GatewaySettings, shared_key: bytes) -> bytes:
    """The key of fingerprints and call ids: the configuration's own, else the one that the replicas share."""
    if settings.fingerprint_key is None:
        return shared_key
    return settings.fingerprint_key.get_secret_value().encode()[:_LONGEST_KEY_BYTES]


def prices(settings: GatewaySettings, pricelist: PriceList) -> PriceBook:
    """Return the price book: the deployment's own prices before the built-in list."""
    base_urls = {name: provider.base_url for name, provider in settings.providers.items()}
    makers = {name: PROVIDERS[provider.api].facts.price_source for name, provider in settings.providers.items()}
    own = {name for name, given in settings.providers.items() if PROVIDERS[given.api].facts.has_own_models_alone}
    return PriceBook(settings.prices, base_urls, makers, pricelist, own)


def passes_open_names(deployment: Deployment) -> bool:
    """Return whether clients may name models that no configuration spells out."""
    return any(pattern.is_open for pattern in _patterns(deployment.settings.models))


def targets(deployment: Deployment) -> set[str]:
    """Return every target that calls may use and that the configuration spells out, as `provider/model`."""
    agents = deployment.agents
    plain = {str(pattern) for pattern in _patterns(deployment.settings.models) if not pattern.is_open}
    targets = {target for agent in agents.values() for target in agent.fallback if isinstance(target, Target)}
    versions = {version.target for agent in agents.values() for version in agent.versions.values()}
    versions |= {agent.judge.target for agent in agents.values() if agent.judge is not None}
    plain |= {target for target in deployment.aliases.values() if "/" in target}  # no agent's name has one
    return plain | {str(target) for target in targets | versions}


def known_targets(deployment: Deployment) -> KnownTargets:
    """Return what metrics may name of the configuration."""
    systems = {
        name: provider_at(origin_of(provider.base_url)[0].host, PROVIDERS[provider.api].facts.semantic_name)
        for name, provider in deployment.settings.providers.items()
    }
    return KnownTargets(frozenset(targets(deployment)), systems)


def endpoint_of(name: str, provider: Provider) -> ProviderEndpoint:
    """The account of a configured provider."""
    origin, path = origin_of(provider.base_url)
    api = PROVIDERS[provider.api].at(origin.host)
    signing = api.facts.signing if provider.api_key is None else None
    secret = None if provider.api_key is None else Redactor([provider.api_key.get_secret_value()])
    fixed = tuple((name.encode(), value.encode()) for name, value in provider.headers.items())
    return ProviderEndpoint(
        name,
        origin,
        path.rstrip("/"),
        api,
        headers=provider.key_headers,
        defaults=api.facts.default_headers,
        sign=None if signing is None else signing.signer(provider.region or ""),
        secret=secret,
        fixed=fixed,
        cloud_files=provider.cloud_files,
    )


def transport_options(settings: GatewaySettings) -> dict[str, TransportOptions]:
    """Return the connection options of each provider, by its name."""
    connect = settings.timeouts.connect
    return {
        name: TransportOptions(
            kind=provider.transport,
            proxy=provider.proxy.get_secret_value() if provider.proxy else None,
            http2=provider.http2,
            ca_file=str(provider.ca_file) if provider.ca_file else None,
            connect_timeout_seconds=connect,
            max_connections=settings.limits.in_flight,  # a call that was let in must not queue here
        )
        for name, provider in settings.providers.items()
    }


def limits(settings: GatewaySettings) -> ServerLimits:
    """Return the limits of the listening side."""
    bounds = settings.limits
    return ServerLimits(
        body_bytes=bounds.body, upload_bytes=bounds.upload, takes_uploads=takes_uploads,
        refusal_body=refusal_body, max_connections=bounds.connections,
    )  # fmt: skip


def webhook(settings: GatewaySettings) -> Webhook | None:
    """Return the webhook for handed-over conversations; None without one."""
    given = settings.escalation
    if given.webhook is None:
        return None
    carrier = transport(TransportOptions())
    return Webhook(carrier, given.webhook.get_secret_value(), given.allow_private_webhook, _signing_secret(settings))


def tracing(otel: OtelSettings | None, clock: Clock, log: Log, replica: str, timings: Timings) -> CallTracing | None:
    """Return what exports spans; None where nobody wants any. Raises GatewayError."""
    if otel is None:
        return None
    parts = TracingParts(
        log, clock.monotonic, clock.unix, replica, timings.span_retry, timings.span_finish, timings.tool_exchange,
        timings.tool_wait,
    )  # fmt: skip
    return start_tracing(otel, parts)


def receivers(settings: GatewaySettings) -> tuple[Receiver, ...]:
    """Return the receivers of notices about rollouts."""
    carrier = transport(TransportOptions())
    return tuple(
        Receiver(
            name=f"notify[{index}]",
            webhook=Webhook(carrier, given.url.get_secret_value(), given.allow_private, _bytes_of(given.secret)),
            format=given.format,
            agents=None if given.agents is None else frozenset(given.agents),
            actions=frozenset(given.on),
            routing_key="" if given.routing_key is None else given.routing_key.get_secret_value(),
        )
        for index, given in enumerate(settings.notify)
    )


def _timeouts(settings: GatewaySettings) -> Timeouts:
    given = settings.timeouts
    return Timeouts(given.first_token, given.between_chunks, given.answer, given.total)


def _retries(settings: GatewaySettings) -> RetryRules:
    given = settings.retries
    return RetryRules(given.per_target, given.max_attempts, given.budget, Backoff(given.base, given.cap))


def _facts_headers(agents: Mapping[str, Agent]) -> frozenset[bytes]:
    names = {agent.sticky.header for agent in agents.values() if agent.sticky.header}
    for agent in agents.values():
        for rule in agent.rules:
            names.update(name.removeprefix(HEADER_PREFIX) for name in rule.when if name.startswith(HEADER_PREFIX))
    return frozenset(name.encode() for name in names)


def _signing_secret(settings: GatewaySettings) -> bytes | None:
    return _bytes_of(settings.escalation.secret)


def _bytes_of(secret: SecretStr | None) -> bytes | None:
    return None if secret is None else secret.get_secret_value().encode()


def _doorkeeper(settings: GatewaySettings) -> Doorkeeper:
    scopes = {name: key.agents_in_scope for name, key in settings.keys.items()}
    agents = {name: None if scope is None else frozenset(scope) for name, scope in scopes.items()}
    keys = [
        Key(
            bytes.fromhex(digest),
            Caller(
                name,
                key.group,
                agents[name],
                is_only=is_only_caller(name, agents),
                models=None if (models := key.models_in_scope) is None else _patterns(models),
                reviews=frozenset(key.reviews),
            ),
            None if key.expires is None else datetime.combine(key.expires, time(), UTC).timestamp(),
        )
        for name, key in settings.keys.items()
        for digest in key.digests
    ]
    admin, metrics = settings.admin_token_sha256, settings.metrics_token_sha256
    digests = [None if digest is None else bytes.fromhex(digest) for digest in (admin, metrics)]
    return Doorkeeper(keys, digests[0], digests[1])


def chained(recorder: Recorder, store: Store, log: Log) -> KeptItems:
    """Return what is kept of tool calls where a provider keeps the history; the recorder writes and reads it."""
    kept = KeptItems(store, log, recorder.now, MOST_CHAINED_BYTES)
    recorder.chained.keep, recorder.chained.find, recorder.chained.look_for = kept.keep, kept.peek, kept.ask_for
    return kept


def fixed_settings(new: GatewaySettings, old: GatewaySettings) -> list[str]:
    """Return the settings that differ and hold from start to end."""
    changed = [
        name
        for name in ("listen", "store", "store_binary", "data", "drain")
        if getattr(new, name) != getattr(old, name)
    ]
    bounds = [(limits(each), each.limits.model_dump(exclude={"answer", "values"})) for each in (new, old)]
    return changed + (["limits"] if bounds[0] != bounds[1] else [])
