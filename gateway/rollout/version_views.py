"""The sums of an agent's versions, as `/status` says them: of calls, of those apart from the split, of copies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.history.curves import recent_views
from gateway.history.view import Quantiles, RecentView, TokenSums
from gateway.rollout.reasons import reason_views
from gateway.rollout.status_view import ApartSums, CallSums, VersionView
from gateway.rollout.table import Entry
from gateway.store.cells import APART, SHADOW
from gateway.store.seam import Snapshot
from policies.evidence.evidence import WHOLE
from policies.evidence.tally import Tally, quantile

_QUANTILES = (0.5, 0.9, 0.99)


def version_views(entry: Entry, snapshot: Snapshot) -> dict[str, VersionView]:
    """Return the sums of every version that served in this rollout; stable, canary and shadow first, called or not."""
    agent, tallies, recent = entry.agent, snapshot.tallies, recent_views(snapshot.recent)
    named = (agent.stable, agent.canary, agent.shadow.version if agent.shadow else None)
    called = (key.removesuffix(APART).removesuffix(SHADOW) for key in sorted(tallies))
    names = [name for name in dict.fromkeys((*named, *called)) if name is not None]
    versions = {name: _version(name, tallies, recent.get(name, {})) for name in names}
    return {
        name: replace(each, reasons=reason_views(snapshot.reasons.get(name, ()))) for name, each in versions.items()
    }


def sums_of(tally: Tally) -> dict[str, Any]:
    """Return the members of `CallSums`."""
    judged, priced = tally.requests - tally.unjudged, tally.requests - tally.unpriced
    cost = None if tally.unpriced and not tally.cost_nano_usd else tally.cost_nano_usd / 1e9
    return {
        "requests": tally.requests,
        "errors": tally.errors,
        "unjudged": tally.unjudged,
        "censored": tally.censored,
        "held": tally.held,
        "rejected": tally.rejected,
        "error_rate": tally.errors / judged if judged > 0 else None,
        "fallbacks": tally.fallbacks,
        "escalations": tally.escalations,
        "hedges": tally.hedges,
        "hedges_won": tally.hedges_won,
        "latency_seconds": _quantiles(tally.latency),
        "ttft_seconds": _quantiles(tally.ttft),
        "tokens": TokenSums(tally.input_tokens, tally.output_tokens, tally.cached_tokens, tally.reasoning_tokens),
        "cost_usd": cost,
        "cost_per_request_usd": cost / priced if cost is not None and priced > 0 else None,
        "unpriced": tally.unpriced,
        "behaviours": dict(tally.behaviours),
    }


def _version(name: str, tallies: Mapping[str, Tally], recent: Mapping[str, RecentView]) -> VersionView:
    """A version's sums: of the calls that the split gave it, of those apart from it, of the copies it got."""
    tally, apart = tallies.get(name) or Tally(), tallies.get(name + APART) or Tally()
    copies = tallies.get(name + SHADOW)
    return VersionView(
        **sums_of(tally),
        quality=_quality(tally),
        apart=ApartSums(apart.requests, apart.errors),
        shadow=CallSums(**sums_of(copies)) if copies else None,
        recent=recent,
    )


def _quality(tally: Tally) -> float | None:
    """The mean score of the feedback, 0 (bad) to 1 (good)."""
    return round(1 - tally.badness / WHOLE / tally.scores, 6) if tally.scores else None


def _quantiles(histogram: Mapping[int, int]) -> Quantiles:
    return Quantiles(*(_rounded(quantile(histogram, q)) for q in _QUANTILES))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 5)
