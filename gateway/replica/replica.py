"""The running gateway as an object: built, started, reconfigured, stopped."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic, time

from gateway.api.endpoint import Handler, Services
from gateway.call.attempt import Attempts
from gateway.call.chain import FallbackChain
from gateway.call.circuits import Circuits
from gateway.call.conversation_naming import ConversationNaming
from gateway.call.equal_beginnings import EqualBeginnings
from gateway.call.exposures import Exposures
from gateway.call.hedging import Hedges
from gateway.call.kept_items import KeptItems
from gateway.call.proxy import Proxy
from gateway.call.shadow import WORKERS, Shadows
from gateway.call.shadow_budget import Purse
from gateway.config import ConfigProblems, Deployment, GatewaySettings, Problem
from gateway.config.fields import Address
from gateway.errors import StoreAway
from gateway.handover.escalation import Escalations
from gateway.handover.human_replies import Replies
from gateway.limits.rules import RuleBook
from gateway.logs import Log
from gateway.models.known import ModelLists
from gateway.net.client import Transport
from gateway.net.client.options import TransportOptions
from gateway.net.client.upstreams import Upstreams, transport
from gateway.net.server import ServerLimits
from gateway.pricing import PriceList, PriceListFailed
from gateway.replica import wiring
from gateway.replica.alerting import Alerting
from gateway.replica.fingerprint_key import SharedKey
from gateway.replica.limit_work import limit_work
from gateway.replica.overload import overload_watch, share_places
from gateway.replica.retirement_watch import RetirementWatch
from gateway.replica.routes import asgi
from gateway.rollout.commands import Commands
from gateway.rollout.controller import Controller
from gateway.rollout.notifications import Notices
from gateway.rollout.openings import SharedOpenings
from gateway.rollout.recorder import Clock, Recorder
from gateway.rollout.sharing import Sharing
from gateway.rollout.status import StatusBuilder
from gateway.rollout.table import Table
from gateway.rollout.target_faults import TargetFaults
from gateway.rollout.under_way import UnderWay
from gateway.store import OpenStore
from gateway.telemetry.otel_settings import OtelSettings
from gateway.timings import USUAL, Timings
from gateway.traces.reader import TraceReader
from gateway.traces.writer import TraceWriter

_FIRST_LOOK_SECONDS = 2.0  # how long the start waits for the store before it serves stable only
_CLOCK, _AGREE_SECONDS = Clock(monotonic, time), 10.0  # a lost key is given back before one is made


@dataclass(frozen=True, slots=True)
class Seams:
    """Parts that a gateway takes from its machine: clocks, randomness (uniform in 0…1), provider connections, built-in
    prices, background waits, and what the environment says of OpenTelemetry (None: nothing is exported).

    The calls of a simulation run on other ones.
    """

    clock: Clock = _CLOCK
    draw: Callable[[], float] = random.SystemRandom().random
    transport: Callable[[TransportOptions], Transport] = transport
    pricelist: Callable[[], PriceList] = PriceList
    timings: Timings = USUAL
    otel: OtelSettings | None = None


@dataclass(slots=True)
class Gateway:
    """A replica. `await start()`, serve `asgi`, `await stop()`; `apply` and `refuse` follow the configuration."""

    services: Services
    escalations: Escalations
    notices: Notices
    alerting: Alerting
    shadows: Shadows
    store: OpenStore
    upstreams: Upstreams
    pricelist: PriceList
    model_lists: ModelLists
    key: SharedKey
    deployment: Deployment
    asgi: Handler
    host: str  # where this process listens, whatever a later configuration says
    sharing: Sharing
    retirements: RetirementWatch
    traces: TraceWriter
    seams: Seams
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Look at the records once, then work in the background. A store that is away does not keep it from serving."""
        self.services.counts.follow(wiring.known_targets(self.deployment))
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK_SECONDS):
                await self.agree_on_key()
                await self.services.controller.poll()
        await self.sharing.catch_up()
        chained = wiring.chained(self.services.proxy.recorder, self.store.store, self.services.log)
        for work in (
            self.services.controller.run,
            self.agree_on_key_for_ever,
            self.remember,
            self.escalations.deliver_for_ever,
            self.notices.deliver_for_ever,
            self.alerting.watch.look_for_ever,
            self.services.proxy.replies.follow_for_ever,
            self.sharing.tell_for_ever,
            self.sharing.follow_for_ever,
            self.services.items.share_for_ever,
            chained.share_for_ever,
            self.traces.write_for_ever,
            self.traces.contents.write_for_ever,
            *self.services.reviews.work,
            *limit_work(self.services),
            self.retirements.look_for_ever,
            self.retirements.refresh_for_ever,
            self.model_lists.fetch_for_ever,
            self.services.status.keep_fresh_for_ever,
            self.services.judge.run,
            *[self.shadows.work] * WORKERS,
        ):
            self.keep(work)
        if (tracing := self.services.proxy.recorder.tracing) is not None:
            tracing.channels, tracing.contents = lambda: self.services.runtime.channels, self.traces.contents
            tracing.tools.store = self.store.store
            self.keep(tracing.export_for_ever)
            self.keep(tracing.share_for_ever)

    @property
    def limits(self) -> ServerLimits:
        """Return the limits of the listening side, which has its refusals noted here."""
        return replace(wiring.limits(self.deployment.settings), note_refusal=self.services.note_refusal)

    def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do this work in the background until the stop, whatever befalls it."""
        self.tasks.append(asyncio.create_task(self._keep_alive(work)))

    async def remember(self) -> None:
        """Write down what is seen of the store, until cancelled."""
        await self.store.memory.keep_for_ever(self.store.store)

    async def stop(self) -> None:
        """End the background work, flush what was counted, let go of every connection."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.escalations.finish()
        await self.traces.finish()
        await self.services.reviews.queue.finish()
        await self.services.controller.finish()
        await asyncio.gather(self.sharing.finish(), self.services.proxy.limits.leases.finish())
        await self.store.memory.keep(self.store.store)
        if (tracing := self.services.proxy.recorder.tracing) is not None:
            await tracing.finish()
        await self.upstreams.aclose()
        for carrier in self._webhook_carriers():
            await carrier.aclose()
        await self.store.aclose()

    async def prepare(self, deployment: Deployment) -> None:
        """Make ready for a new configuration. Raises ConfigProblems where it cannot be applied to this process."""
        refuse_open_door(deployment.settings, self.host)
        await self.learn_prices(deployment)

    async def learn_prices(self, deployment: Deployment) -> None:
        """Have the prices of all its targets at hand, so that no call has to wait for the list."""
        prices = wiring.prices(deployment.settings, self.pricelist)
        try:
            await asyncio.to_thread(prices.learn, wiring.targets(deployment))
        except PriceListFailed as error:
            self.services.log.warning("price_list", message=f"it is read by this process instead: {error}")
        if wiring.passes_open_names(deployment):
            await asyncio.to_thread(prices.open_list)

    def apply(self, deployment: Deployment) -> None:
        """Turn to a new configuration. Calls in flight keep the old one, and the old connections until they end."""
        services = self.services
        services.log.hide(wiring.redactor(deployment.settings, self.deployment.settings))
        if fixed := wiring.fixed_settings(deployment.settings, self.deployment.settings):
            services.log.warning("restart_needed", settings=fixed)
        options = wiring.transport_options(deployment.settings)
        if options != wiring.transport_options(self.deployment.settings):
            old, self.upstreams = self.upstreams, Upstreams(options, self.seams.transport)
            self._retire(old, self.deployment.longest_call)
        services.runtime = wiring.runtime(deployment, self.upstreams, self.pricelist, self.model_lists, self.key.value)
        services.status.prices = services.runtime.prices
        services.counts.follow(wiring.known_targets(deployment))
        self.retirements.follow(deployment, services.runtime)
        services.table.install(deployment.agents)
        services.proxy.limits.follow(RuleBook.of(deployment))
        share_places(services.overload, deployment)
        services.proxy.conversations.beginnings.under_way.keep_agents(
            filter(None, map(services.table.entry, services.table))
        )
        self.escalations.share_among(deployment.agents)
        wiring.let_follow(self.traces, deployment, services.runtime)
        services.controller.install(services.runtime)
        self._turn_webhooks(deployment.settings)
        self.alerting.follow(deployment.settings)
        self.deployment = deployment
        services.loaded_at = time()
        services.log.info("configuration", digest=deployment.digest, agents=len(deployment.agents))

    async def agree_on_key(self) -> None:
        """Use the fingerprint key that the store holds for every replica. A store that is away changes nothing."""
        with suppress(StoreAway):
            if await self.key.agree():
                self.turn_key()
            await self.key.keep()

    async def agree_on_key_for_ever(self) -> None:
        """Agree again and again, until cancelled."""
        while True:
            await asyncio.sleep(_AGREE_SECONDS)
            await self.agree_on_key()

    def turn_key(self) -> None:
        """Use the fingerprint key that the replicas share now, unless the configuration has its own."""
        key = wiring.fingerprint_key(self.deployment.settings, self.key.value)
        self.services.runtime = replace(self.services.runtime, fingerprint_key=key)

    def refuse(self, problems: ConfigProblems) -> None:
        """Keep the old configuration, and log why."""
        self.services.log.error("configuration_refused", problems=[str(problem) for problem in problems.problems])

    def drain(self) -> None:
        """No new work is wanted: readiness goes off."""
        self.services.draining = True

    def _turn_webhooks(self, settings: GatewaySettings) -> None:
        """New webhooks where the settings say so; deliveries under way end at the old ones."""
        before = self.deployment.settings
        if (settings.escalation, settings.notify) == (before.escalation, before.notify):
            return
        for carrier in self._webhook_carriers():
            self._retire(carrier, self.seams.timings.delivery)
        self.escalations.webhook = wiring.webhook(settings)
        self.notices.receivers = wiring.receivers(settings)

    def _webhook_carriers(self) -> Iterable[Transport]:
        webhooks = [self.escalations.webhook, *(receiver.webhook for receiver in self.notices.receivers)]
        return dict.fromkeys(webhook.transport for webhook in webhooks if webhook)

    def _retire(self, carrier: Transport | Upstreams, seconds: float) -> None:
        """Close connections that nothing new uses, once the last that may still use them must have ended."""
        self.tasks = [task for task in self.tasks if not task.done()]
        self.tasks.append(asyncio.create_task(_close_later(carrier, seconds)))

    async def _keep_alive(self, work: Callable[[], Awaitable[None]]) -> None:
        """The outermost edge of background work: a bug is logged with its trace, and the work begins again."""
        while True:
            try:
                await work()
            except Exception:
                self.services.log.exception("bug", work=work.__qualname__)
            await asyncio.sleep(self.seams.timings.restart)


def build(
    deployment: Deployment,
    store: OpenStore,
    replica: str,
    log: Log,
    host: str | None = None,
    seams: Seams | None = None,
) -> Gateway:
    """A gateway over an open store. `replica` is unique to this process; `host` and `seams` have their defaults."""
    log.hide(wiring.redactor(deployment.settings))
    clock, draw, host = (given := seams or Seams()).clock, given.draw, host or deployment.settings.listen.host
    table, circuits = Table(), Circuits(clock.monotonic)
    table.install(deployment.agents)
    recorder, notices = Recorder(log, clock), Notices(store.store, table, log, clock, given.timings)
    limits, overload = wiring.call_limits(store.store, clock, deployment, log), overload_watch(deployment, log, clock)
    recorder.tracing = wiring.tracing(given.otel, clock, log, replica, given.timings)
    controller = Controller(store.store, table, recorder, log, circuits.trust, draw, store.memory, given.timings)
    escalations = _escalations(deployment, store, log, given.timings)
    notices.receivers = wiring.receivers(deployment.settings)
    upstreams = Upstreams(wiring.transport_options(deployment.settings), given.transport)
    pricelist, model_lists, key = given.pricelist(), ModelLists(clock.monotonic), SharedKey(store.store, store.memory)
    runtime = wiring.runtime(deployment, upstreams, pricelist, model_lists, key.value)
    controller.install(runtime)
    alerting = Alerting(deployment.settings, store.store, table, notices, clock, circuits.states, controller)
    faults = TargetFaults(log, clock.monotonic, alerting.note_fault)
    attempts = Attempts(clock, circuits, faults, recorder.tracing, overload.note_exhausted)
    chain = FallbackChain(attempts, escalations, faults, clock, draw)
    shadows = Shadows(table, attempts, recorder, clock, Purse(store.store, clock.unix), limits)
    replies = Replies(store.store, table, clock.unix, given.timings.replies)
    hedges, exposures, under_way = Hedges(attempts, clock), Exposures(circuits), UnderWay(clock.monotonic)
    table.heed = under_way.see
    naming = ConversationNaming(EqualBeginnings(under_way, SharedOpenings(clock.monotonic)))
    proxy = Proxy(table, chain, attempts, recorder, shadows, clock, replies, hedges, exposures, naming, limits,
                  overload.providers)  # fmt: skip
    retirements = RetirementWatch(store.store, notices, log, clock.unix, recorder.models_called, given.timings)
    retirements.follow(deployment, runtime)
    openings = naming.beginnings.openings
    traces = wiring.trace_writer(store.store, recorder.finished, log, deployment, runtime)
    services = Services(
        status=StatusBuilder(store.store, table, runtime.prices, openings, retirements.near, controller.latest),
        commands=Commands(store.store, table, controller.records, controller.outages), runtime=runtime, replica=replica,
        overload=overload, items=KeptItems(store.store, log, clock.monotonic), log=log,
        traces=TraceReader(store.store, traces), timings=given.timings, backend=store.backend, loaded_at=clock.unix(),
        controller=controller, memory=store.memory, counts=recorder.counts, store=store.store, table=table, proxy=proxy,
    )  # fmt: skip
    return Gateway(
        wiring.with_live_judge(services, traces, alerting.watch, clock, given.timings), escalations, notices, alerting,
        shadows, store, upstreams, pricelist, model_lists, key, deployment, asgi(services),
        host, Sharing(store.store, table, under_way, clock, log), retirements, traces, given,
    )  # fmt: skip


def _escalations(deployment: Deployment, store: OpenStore, log: Log, timings: Timings) -> Escalations:
    escalations = Escalations(store.store, log, timings)
    escalations.webhook = wiring.webhook(deployment.settings)
    escalations.share_among(deployment.agents)
    return escalations


async def _close_later(carrier: Transport | Upstreams, seconds: float) -> None:
    """Close it after that time, or at the stop, which cancels this."""
    try:
        await asyncio.sleep(seconds)
    finally:
        await carrier.aclose()


def refuse_open_door(settings: GatewaySettings, host: str) -> None:
    """Raise ConfigProblems where no caller needs a key, though other machines can reach the address listened on."""
    if not settings.keys and not Address(host, 0).is_loopback:
        message = f"this process listens on {host}, which other machines reach; keep `keys`, or restart it on 127.0.0.1"
        raise ConfigProblems([Problem("gateway.yaml", 0, "keys", message)])


def new_replica_id() -> str:
    """An id that no other process has: 12 hex digits."""
    return secrets.token_hex(6)
