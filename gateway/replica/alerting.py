"""The alerts of one replica, put together from its parts, and led by the configuration."""

from collections.abc import Callable, Mapping

from gateway.config import GatewaySettings
from gateway.rollout.alert_sources import AlertLimits, AlertSources
from gateway.rollout.alerts import AlertWatch
from gateway.rollout.controller import Controller
from gateway.rollout.notifications import Notices
from gateway.rollout.recorder import Clock
from gateway.rollout.table import Table
from gateway.rollout.target_faults import Fault
from gateway.store.seam import Store


class Alerting:
    """The watch and its sources. `circuits` has the state of targets' circuits; `controller` says what is away."""

    def __init__(
        self,
        settings: GatewaySettings,
        store: Store,
        table: Table,
        notices: Notices,
        clock: Clock,
        circuits: Callable[[], Mapping[str, str]],
        controller: Controller,
    ) -> None:
        self._notices = notices
        self.problem_place: Callable[[], str | None] = lambda: None
        self.sources = AlertSources(store, table, clock, circuits, lambda: self.problem_place())
        sources = (self.sources.here, self.sources.over_all)
        self.watch = AlertWatch(store, notices, clock, lambda: controller.store_error, sources)
        self.follow(settings)

    def follow(self, settings: GatewaySettings) -> None:
        """Follow a configuration."""
        given = settings.alerts
        self._notices.public_url = settings.public_url or ""
        self.sources.limits = AlertLimits(given.stable_errors, given.usd_per_day, given.escalations)
        self.watch.window = given.window

    def note_fault(self, agent: str, target: str, fault: Fault) -> None:
        """Note that a target of the agent cannot serve for a reason that the configuration gives."""
        self._notices.alarm(agent, target, fault)
        self.sources.note_fault(target, fault)
