"""The overload watch of one replica, as its configuration wants it."""

from gateway.config import Deployment
from gateway.logs import Log
from gateway.overload.places import FairPlaces
from gateway.overload.pressure import MemoryGauge
from gateway.overload.watch import OverloadWatch
from gateway.rollout.recorder import Clock


def overload_watch(deployment: Deployment, log: Log, clock: Clock) -> OverloadWatch:
    """Return the watch over the places that the configuration gives."""
    limits = deployment.settings.limits
    calls = FairPlaces(limits.in_flight)
    providers = FairPlaces(limits.in_flight, ("provider", "calls in flight"), ("provider", "provider"), calls.shed)
    sockets = FairPlaces(limits.websockets, ("key", "WebSockets open"), ("sockets", "sockets"), calls.shed)
    memory = MemoryGauge(limits.memory)
    watch = OverloadWatch(calls, providers, sockets, log, clock.monotonic, limits.delay, memory)
    share_places(watch, deployment)
    return watch


def share_places(watch: OverloadWatch, deployment: Deployment) -> None:
    """Keep room for every caller and provider of a configuration."""
    settings = deployment.settings
    for places in (watch.calls, watch.sockets):
        places.follow(len(settings.keys))
    watch.providers.follow(len(settings.providers))
