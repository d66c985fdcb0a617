"""The encoding of a batch for flush.lua, and the decoding of its evidence into both arms' counts."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import Literal

import orjson

from gateway.errors import StoreAway
from gateway.store.costs import encode_costs
from gateway.store.failures import encode_reasons
from gateway.store.seam import Arm, Batch, Sides
from policies.evidence.evidence import LEFT_OUT, SCORED, WHOLE, ArmEvidence, earlier_part, part_of, whole_of
from policies.evidence.turns import resolved
from policies.guardrails.metrics import SCORED_COMPONENTS
from policies.statistics.means import BINS, Sample
from policies.statistics.recent import KEPT

UNIT_BYTES = 12  # 2^96 digests: a million units collide with a probability below 1e-17

ArmName = Literal["stable", "canary"]
_ARMS: tuple[ArmName, ArmName] = ("stable", "canary")
_SAMPLE = ("n", "total", "squares")
_WINDOW = "window:"  # begins the fields of the latest checks, see flush.lua
Sums = tuple[list[str], list[str]]  # fields, and their amounts


def components(batch: Batch) -> list[tuple[int, str]]:
    """The kinds of bad events in the batch, each with the step in which its units began, in the order of their sets in
    KEYS of flush.lua: a unit counts once, also where it goes on in later steps."""
    return sorted(
        {(step, component) for step, arms in _steps(batch) for arm in arms for component, bad in arm.bad.items() if bad}
    )


def _steps(batch: Batch) -> Iterator[tuple[int, tuple[Arm, Arm]]]:
    yield batch.evidence, (batch.stable, batch.canary)
    yield from batch.earlier.items()


def encode_batch(batch: Batch, has_curves: bool = True) -> tuple[bytes, bytes]:
    """The batch as JSON, and the digests of the units in it: the last two arguments of flush.lua.

    `has_curves` says whether its sums are kept by interval, too.

    Two, because redis-py packs each argument in Python: a batch of some hundred sums took it milliseconds. Amounts are
    text there, for Redis reads numbers as doubles.
    """
    stable, canary = batch.stable, batch.canary
    canaries, bad, turns = [arms[1] for _, arms in _steps(batch)], list(_bad(batch)), list(_turns(batch))
    described = orjson.dumps(
        {
            "evidence": str(batch.evidence), "asks": any(map(_asks, canaries)),
            "failed": any(arm.errors for arm in canaries),
            "stable_seen": stable.uncounted > 0,
            "stable": str(stable.requests), "canary": str(canary.requests),
            "cells": [(age, key, arm, *_sums(tally.to_fields())) for age, key, arm, tally in batch.cells.aged()],
            "costs": encode_costs(batch.cells), "has_curves": has_curves, "errors": _sums(_errors(batch)),
            "samples": [*_samples("stable", stable), *_samples("canary", canary)],
            "parties": sorted(batch.parties), "requests_of": _sums(_requests_of(batch)),
            "checks": _sums(_checks(canary)),
            "units": len(canary.units), "bad": [(*key, len(units)) for *key, units in bad],
            **({"turns": [(*key, len(units)) for *key, units in turns]} if turns else {}),
            **({"reasons": reasons} if (reasons := encode_reasons(batch.reasons)) else {}),
        }
    )  # fmt: skip
    named = chain(canary.units, *(units for *_, units in bad), *(units for *_, units in turns))
    return described, b"".join(map(_remembered, named))


def decode_sides(fields: Mapping[str, str], now: float) -> Sides:
    """Both arms from the evidence hash of flush.lua; `now` in Unix seconds of the store's clock.

    Fields that are not known, of a newer release, are ignored. Raises StoreAway where one that is known cannot be read.
    """
    try:
        return _decode_sides(fields, now)
    except (IndexError, ValueError) as error:
        raise StoreAway(f"the evidence in the store cannot be read: {error!r}") from error


def _decode_sides(fields: Mapping[str, str], now: float) -> Sides:
    arms: dict[str, _Reading] = {name: _Reading() for name in _ARMS}
    for name, value in fields.items():
        arm, _, rest = name.partition("|")
        if rest and arm in arms:
            arms[arm].read(rest, value)
        elif name.startswith(_WINDOW):
            arms["canary"].read_window(value)
    began = fields.get("began")
    minute = int(max(0.0, now - float(began)) // 60) if began else 0
    seen = fields.get("stable_seen", began)
    stable, canary = arms["stable"].evidence(), arms["canary"].evidence()
    if any(sum(arm.scored.values()) > arm.calls for arm in (stable, canary)):
        stable, canary = _without_scores(stable), _without_scores(canary)
    return Sides(
        stable=resolved(stable, minute),
        canary=resolved(canary, minute),
        minute=minute,
        control_unseen_seconds=max(0.0, now - float(seen)) if seen else 0.0,
        callers=int(fields.get("callers", 0)),
        users=int(fields.get("users", 0)),
        observed_seconds=max(0.0, now - float(fields.get("watched_since", now))),
    )


def _without_scores(arm: ArmEvidence) -> ArmEvidence:
    """Scores are no evidence beyond the calls that are booked: a client may leave each stream that it scores."""
    left_out = {*SCORED_COMPONENTS, SCORED}
    bad = {component: slots for component, slots in arm.bad.items() if whole_of(component) not in left_out}
    bad_units = {component: units for component, units in arm.bad_units.items() if whole_of(component) not in left_out}
    return replace(arm, bad=bad, bad_units=bad_units, scored={})


def digest(unit: str) -> bytes:
    """A unit's id as a digest: of bounded size, and nobody's name lies in the store."""
    return hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=UNIT_BYTES).digest()


# Conversations come back flush after flush. The digest itself must stay what it is: replicas of two releases add to the
# same sets while one replaces the other, and a unit under two names would count twice.
_remembered = lru_cache(maxsize=1024)(digest)


def _asks(canary: Arm) -> bool:
    """Return whether the canary has a bad event: nothing else can cause a decision."""
    return canary.errors > 0 or any(canary.bad.values())


def _errors(batch: Batch) -> dict[str, int]:
    """Nothing where there are none, so that calls which are no evidence make no hash of it."""
    left_out = sum(canary.left_out for _, (_, canary) in _steps(batch))
    sums = {
        "stable|errors": batch.stable.errors,
        "canary|errors": batch.canary.errors,
        f"canary|bad_units|{LEFT_OUT}": left_out,
    }
    return {name: errors for name, errors in sums.items() if errors}


def _requests_of(batch: Batch) -> dict[str, int]:
    """The canary's judged calls by party, and those of units that began in an earlier step."""
    sums = dict(batch.canary.requests_of)
    for step, (_, canary) in batch.earlier.items():
        whole = earlier_part("", step)
        sums |= {part_of(whole, party): requests for party, requests in canary.requests_of.items()}
        if canary.requests:
            sums[whole] = canary.requests
    return sums


def _checks(canary: Arm) -> dict[str, int]:
    """The checks that found nothing bad, by component and by each party's part of it."""
    sums: defaultdict[str, int] = defaultdict(int)
    for (component, party), count in canary.checks.items():
        sums[component] += count
        if party:
            sums[part_of(component, party)] += count
    return sums


def _samples(arm: ArmName, counts: Arm) -> Iterator[Sums]:
    """Each sample's sums; the squares come first because they are the first to overflow."""
    for metric, sums in counts.samples.items():
        prefix = f"{arm}|{metric}"
        fields = {f"{prefix}|squares": sums.squares, f"{prefix}|total": sums.total, f"{prefix}|n": sums.n}
        for index, (total, n) in sums.bins.items():
            fields[f"{prefix}|bin|{index}|total"] = total
            fields[f"{prefix}|bin|{index}|n"] = n
        yield _sums(fields)


def _sums(fields: Mapping[str, int]) -> Sums:
    return list(fields), list(map(str, fields.values()))


def _bad(batch: Batch) -> Iterator[tuple[int, ArmName, str, int, str, Sequence[str]]]:
    """The bad units by component, arm, badness and party: one command of Redis takes all of one list.

    Stable's come first, so that where a set gets full in this batch it is the canary that is spared.
    """
    arms_of = dict(_steps(batch))
    for number, (step, component) in enumerate(components(batch), start=1):
        series = component if step == batch.evidence else earlier_part(component, step)
        for name, arm in zip(_ARMS, arms_of[step], strict=True):
            for (badness, party), units in _grouped(arm.bad.get(component, {}), arm.party_of):
                yield number, name, series, badness, party, units


def _grouped(units: Mapping[str, int], party_of: Mapping[str, str]) -> Iterable[tuple[tuple[int, str], list[str]]]:
    found: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for unit, badness in units.items():
        found[badness, party_of.get(unit, "")].append(unit)
    return found.items()


def _turns(batch: Batch) -> Iterator[tuple[ArmName, str, int, bool, bool, Sequence[str]]]:
    """The units whose calls are counted by arm, party, calls, whether they begin and whether one was lost."""
    for name, arm in zip(_ARMS, (batch.stable, batch.canary), strict=True):
        found: defaultdict[tuple[str, int, bool, bool], list[str]] = defaultdict(list)
        for unit, turns in arm.turns.items():
            found[arm.party_of.get(unit, ""), turns.calls, turns.begins, turns.is_lost].append(unit)
        for key, units in found.items():
            yield name, *key, units


@dataclass(slots=True)
class _Reading:
    """The fields of one arm while they are read."""

    counts: dict[str, int] = field(default_factory=dict)
    slots: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    bad_units: dict[str, int] = field(default_factory=dict)
    samples: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    checks: dict[str, int] = field(default_factory=dict)
    windows: dict[int, list[str]] = field(default_factory=dict)

    def read(self, name: str, value: str) -> None:
        kind, _, rest = name.partition("|")
        if kind in ("errors", "units"):
            self.counts[kind] = int(value)
        elif kind == "bad_units":
            self.bad_units[rest] = int(value)
        elif kind == "checks":
            self.checks[rest] = int(value)
        elif whole_of(kind) in ("requests", "bad"):
            self._read_slots(name, value)
        elif rest in _SAMPLE or rest.startswith("bin|"):
            self.samples[kind][rest] = int(value)

    def read_window(self, value: str) -> None:
        """A window of checks: its number, and a sum for each name."""
        index, *sums = value.split()
        self.windows[int(index)] = sums

    def _read_slots(self, name: str, value: str) -> None:
        """A running slot's sum, or the text of those that have ended."""
        series, _, last = name.rpartition("|")
        ended = [pair.split(":") for pair in value.split()] if not last.isdecimal() else [[last, value]]
        slots = self.slots[series if last.isdecimal() else name]
        for index, amount in ended:
            slots[int(index)] = slots.get(int(index), 0) + int(amount)

    def evidence(self) -> ArmEvidence:
        scored = self.slots.pop(f"bad|{SCORED}", {})
        bad = {name.removeprefix("bad|"): slots for name, slots in self.slots.items() if name.startswith("bad|")}
        of_parties = {name: slots for name, slots in self.slots.items() if whole_of(name) == "requests" != name}
        return ArmEvidence(
            requests=self.slots.pop("requests", {}),
            errors=self.counts.get("errors", 0),
            units=self.counts.get("units", 0),
            bad=bad,
            bad_units=self.bad_units,
            samples={metric: _sample(sums) for metric, sums in self.samples.items()},
            scored={slot: count // WHOLE for slot, count in scored.items()},
            requests_of={name.removeprefix(part_of("requests", "")): slots for name, slots in of_parties.items()},
            checks=self.checks,
            recent=self._recent(),
        )

    def _recent(self) -> dict[str, dict[int, int]]:
        """The sums of the latest windows; the store overwrites an older one only when its place is needed."""
        recent: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for index in sorted(self.windows):
            if index <= max(self.windows) - KEPT:
                continue
            for pair in self.windows[index]:
                name, _, amount = pair.rpartition("=")
                recent[name][index] = recent[name].get(index, 0) + int(amount)
        return dict(recent)


def _sample(sums: Mapping[str, int]) -> Sample:
    n, total, squares = (sums.get(name, 0) for name in _SAMPLE)
    bins = [(float(sums.get(f"bin|{index}|total", 0)), sums.get(f"bin|{index}|n", 0)) for index in range(BINS)]
    return Sample(n, float(total), float(squares), tuple(bins) if any(n for _, n in bins) else ())
