"""Whether a fault in the journal explains what a client saw, by the promise of that fault."""

from bench.soak.books import BUFFERED_SECONDS, REACHES_BACK, RECOVERS_SECONDS, Case
from bench.soak.clients import Result
from bench.soak.journal import Journal
from bench.soak.provider_faults import EVERY_TARGET
from bench.soak.settings import CAPPED, SPARE, TRIAL
from bench.soak.world import World

_SLOW_SECONDS = 1.0  # a call waits 250 ms for its lease; the store's process may have stood still, too
_LONG_STALL = 0.5  # seconds of the two after which no data is a timeout
SHED = "shed: the gateway is too busy"
_LIMIT_CODES = ("rate_limit_exceeded", "insufficient_quota")
# What the model said so: arguments of a tool are a text in most formats, and an answer may have nothing in it.
_OWN_WORDS = {"bad_tool_arguments", "empty_choices"}


def explanation(result: Result, case: Case, world: World) -> str:
    """Return which fault explains it; '' where none does."""
    if result.came == "left":
        return "it left by itself"
    if result.is_shed:
        return SHED
    if result.came in ("lost", "cut") and _was_killed(result, world):
        return "replica killed"
    if result.came == "refused" and (limit := _limit(result, world)):
        return limit
    if result.came == "wrong" and {each.fault for each in case.served} & _OWN_WORDS:
        return "the model's own words"
    if result.came in ("refused", "broken"):
        return (
            _provider(result, case, world.journal) or _machine(result, case, world) or _unwritten(result, case, world)
        )
    return ""


def _was_killed(result: Result, world: World) -> bool:
    asked = [each for each in world.lifetimes if each.name == result.lifetime]
    return any(each.was_killed and each.ended <= result.ended + 1.0 for each in asked)


def _machine(result: Result, case: Case, world: World) -> str:
    """A timeout while the provider's own process stood still for a good part of it."""
    stalls = world.journal.of("machine", result.began, result.ended)
    is_late = bool(case.attempts) and all(failure in (None, "timeout") for _, _, failure in case.attempts)
    return "machine stalled" if is_late and any(each.until - each.since > _LONG_STALL for each in stalls) else ""


def _unwritten(result: Result, case: Case, world: World) -> str:
    """An error of a struck provider whose line a killed replica had not written yet."""
    gone = [each for each in world.lifetimes if each.name == result.lifetime and each.was_killed]
    if case.lines or not any(each.ended <= result.ended + BUFFERED_SECONDS for each in gone):
        return ""
    return "replica killed" if world.journal.of("provider", result.began - REACHES_BACK, result.ended) else ""


def _limit(result: Result, world: World) -> str:
    """A limit of ours, which only its own callers may meet."""
    asked = result.asked
    if asked.key == "greedy":
        return "limit of the greedy key" if result.status == 429 or _is_overload(result) else ""
    if asked.key != "few" and asked.agent != CAPPED:
        return ""
    if result.status == 429 and result.code in _LIMIT_CODES:
        return f"limit of {asked.key if asked.key == 'few' else CAPPED}"
    away = world.journal.of("store", result.began - RECOVERS_SECONDS, result.ended)
    away += world.journal.of("machine", result.began - _SLOW_SECONDS, result.ended)
    return "limit without a store" if result.status == 503 and away else ""


def _is_overload(result: Result) -> bool:
    return result.status == 503 and result.code == "overloaded"


def _provider(result: Result, case: Case, journal: Journal) -> str:
    """Every attempt failed, each at a target that was struck; and the chain was used, where there is one."""
    attempts = [each for each in case.attempts if each[2] is not None]
    since = result.began - REACHES_BACK
    struck = {
        entry.target: entry.fault for kind in ("provider", "trial") for entry in journal.of(kind, since, result.ended)
    }
    if not attempts:
        return ""
    if not all(target in struck or EVERY_TARGET in struck for target, _, _ in attempts):
        return ""
    if result.came == "refused" and result.asked.agent == TRIAL and SPARE not in {target for target, _, _ in attempts}:
        return ""  # the chain was not used
    last = attempts[-1][0]
    return struck.get(last) or struck[EVERY_TARGET]
