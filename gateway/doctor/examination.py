"""The examination: every target, the store and the clock, at the same time and within a bound."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from time import time
from typing import Final

from gateway.config import Deployment
from gateway.config.gateway_file import GatewaySettings
from gateway.doctor.diagnosis import Diagnosis
from gateway.doctor.report import Examined
from gateway.doctor.targets import Asked, Pinged, ping
from gateway.net.client.upstreams import Upstreams
from gateway.pricing import PriceList, PriceListFailed
from gateway.replica import wiring
from gateway.runtime import Channel
from gateway.store import EMBEDDED
from gateway.store.examination import examine_embedded, examine_remote
from gateway.store.server_faults import StoreFault
from routing.chain import Target
from routing.models import ModelPattern

_AT_ONCE: Final = 16
_MOST_TARGETS: Final = 200
_SKEW_SECONDS: Final = 60.0  # signatures of AWS fail beyond five minutes, dates of HTTP are whole seconds


async def examine(deployment: Deployment, environ: Mapping[str, str], seconds: float) -> Examined:
    """Ask every target and the store of the deployment; each answer may take that many seconds."""
    settings = deployment.settings
    upstreams = Upstreams(wiring.transport_options(settings))
    try:
        channels = wiring.channels_of(settings, upstreams)
        names = sorted(wiring.targets(deployment))
        asked = list(_asked(deployment, channels, environ, names[:_MOST_TARGETS]))
        pinged, store = await asyncio.gather(_ping_all(asked, seconds), _store(settings, seconds))
    finally:
        await upstreams.aclose()
    about_targets = [*(each.diagnosis for each in pinged), *_left_out(names), *_unused(settings, names, asked)]
    calls = sum(not each.is_open for each in asked)
    return Examined([*about_targets, *store, *_clock(pinged)], calls, await _cost(settings, asked, pinged))


def _asked(
    deployment: Deployment, channels: Mapping[str, Channel], environ: Mapping[str, str], names: Sequence[str]
) -> Iterator[Asked]:
    """Yield the targets of these names, and each provider that calls reach by a beginning with a star alone."""
    named = [Target(*name.split("/", 1)) for name in names]
    spelled_out = {target.provider for target in named}
    open_targets: dict[str, Target] = {}
    for pattern in map(ModelPattern.of, deployment.settings.models):
        if pattern.is_open and pattern.provider not in spelled_out:
            open_targets.setdefault(pattern.provider, Target(pattern.provider, f"{pattern.name}*"))
    for target in (*named, *open_targets.values()):
        key = deployment.written.get(f"providers.{target.provider}.api_key", "")
        settings = deployment.settings.providers[target.provider]
        is_open = target.provider in open_targets
        yield Asked(target, settings, channels[target.provider], key, environ, is_open)


async def _ping_all(asked: Sequence[Asked], seconds: float) -> list[Pinged]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(each: Asked) -> Pinged:
        async with places:
            return await ping(each, seconds)

    return await asyncio.gather(*map(in_turn, asked))


def _left_out(names: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield a warning where there are more targets than the doctor asks."""
    if len(names) > _MOST_TARGETS:
        message = f"{len(names) - _MOST_TARGETS} of {len(names)} were not asked, from {names[_MOST_TARGETS]} on"
        yield Diagnosis("targets", "doubtful", message, "examine a folder that has only some of them")


def _unused(settings: GatewaySettings, names: Sequence[str], asked: Sequence[Asked]) -> Iterator[Diagnosis]:
    used = {name.partition("/")[0] for name in names} | {each.target.provider for each in asked}
    for name in sorted(settings.providers.keys() - used):
        yield Diagnosis(name, "doubtful", "is the provider of no version, fallback or named model, and was not asked")


async def _store(settings: GatewaySettings, seconds: float) -> list[Diagnosis]:
    where = settings.store.get_secret_value()
    try:
        async with asyncio.timeout(seconds):
            if where == EMBEDDED:
                name, faults = await examine_embedded(settings.data, settings.embedded_folder, settings.store_binary)
            else:
                name, faults = await examine_remote(where)
    except TimeoutError:
        name, faults = "", [StoreFault(f"did not answer within {seconds:g} s", "check host and port in `store`")]
    except ValueError as error:
        name, faults = "", [StoreFault(str(error), "correct `store` in gateway.yaml")]
    found = [
        Diagnosis("store", "broken" if fault.is_fatal else "doubtful", fault.message, fault.do) for fault in faults
    ]
    return found or [Diagnosis("store", "well", f"{name} serves" if where != EMBEDDED else name)]


def _clock(pinged: Sequence[Pinged]) -> Iterator[Diagnosis]:
    """Return this machine's clock, judged by the providers' answers."""
    ahead = [each.clock_seconds for each in pinged if each.clock_seconds is not None]
    if not ahead:
        return
    skew = median(ahead)
    if abs(skew) > _SKEW_SECONDS:
        do = "set it, and let it follow NTP: signatures and prices depend on it"
        yield Diagnosis("clock", "broken", f"this machine's clock is {-skew:+.0f} s from that of the providers", do)
    else:
        yield Diagnosis("clock", "well", "agrees with the providers'")


async def _cost(settings: GatewaySettings, asked: Sequence[Asked], pinged: Sequence[Pinged]) -> int | None:
    """Return what the answers cost in nano-dollars; None where one has no known price."""
    answered = [(each.name, found.usage) for each, found in zip(asked, pinged, strict=True) if found.usage is not None]
    if not answered:
        return 0
    pricelist = PriceList()
    book = wiring.prices(settings, pricelist)
    try:
        await asyncio.to_thread(book.learn, [name for name, _ in answered])
    except PriceListFailed:
        return None
    costs = [book.cost(name, usage, time()) for name, usage in answered]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
