"""The gateway's own health, apart from the providers': this replica, its store, its configuration, its circuits."""

from collections.abc import Iterator

from gateway.overload.view import OverloadView
from gateway.pages.frame import chip
from gateway.pages.html import NOTHING, Markup, joined, tag
from gateway.pages.moments import moment
from gateway.rollout.status_view import GatewayView


def health(gateway: GatewayView) -> Markup:
    """Return the section on the gateway itself."""
    facts = (tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(gateway))
    error = gateway.config.error
    trouble = tag("pre", error, tabindex=0, role="region", aria_label="Problems of the files") if error else NOTHING
    return tag("section", tag("h2", "The gateway itself"), tag("dl", *facts, class_="facts"), trouble, id="health")


def _facts(gateway: GatewayView) -> Iterator[tuple[str, Markup]]:
    store, config = gateway.store, gateway.config
    if store.ok and store.risks:
        yield "store", joined((chip("watching", "at risk"), f" {store.backend}: {'. '.join(store.risks)}"))
    elif store.ok:
        yield "store", joined((chip("fine", "ok"), f" {store.backend}"))
    else:
        why = f": {store.error}" if store.error else ""
        away = f" {store.backend}{why}. Calls are served; no decision is made until it is back."
        yield "store", joined((chip("attention", "away"), away))
    if config.error:
        yield "configuration", joined((chip("attention", "broken"), " the files are broken; the earlier one serves"))
    else:
        yield "configuration", joined((chip("fine", "ok"), " loaded ", moment(config.loaded_at)))
    yield "circuits", _circuits(gateway)
    yield "load", _load(gateway.overload)
    if gateway.shadows.waiting or gateway.shadows.dropped:
        dropped = ", ".join(f"{count} {reason}" for reason, count in gateway.shadows.dropped.items()) or "none"
        yield "copies for shadows", joined((f"{gateway.shadows.waiting} waiting, dropped: {dropped}",))
    yield "replica", joined((tag("code", gateway.replica), f", version {gateway.version}"))


_SHED_FOR = {
    "in_flight": "all places for calls are taken", "share": "a key has its share of the places",
    "provider": "a provider has its share of the places", "sockets": "all places for WebSockets are taken",
    "delay": "the process is behind", "memory": "memory is short", "files": "file descriptors are short",
    "connections": "all connections are taken",
}  # fmt: skip


def _load(overload: OverloadView) -> Markup:
    """Return whether calls are shed, and for what."""
    if overload.shedding:
        reasons = "; ".join(_SHED_FOR.get(reason, reason) for reason in overload.shedding)
        return joined((chip("attention", "overloaded"), f" calls are refused with 503: {reasons}"))
    return joined((chip("fine", "ok"), " no call is shed"))


def _circuits(gateway: GatewayView) -> Markup:
    """Return the targets that are left alone for a while."""
    if not gateway.circuits:
        return joined((chip("fine", "closed"), " every target is asked"))
    states = (f"{target}: {state.replace('_', ' ')}" for target, state in gateway.circuits.items())
    return joined((chip("attention", "open"), f" {', '.join(states)}"))
