"""Promises held against a run: each is a row with what was measured, and whether it holds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from bench.soak.books import Case, Doubt, cases, charged, doubts, has_reached, log_of, nano, split
from bench.soak.clients import Result
from bench.soak.explain import SHED, explanation
from bench.soak.growth import growth
from bench.soak.provider_faults import model_of
from bench.soak.report import Row
from bench.soak.run import STALL_SECONDS, Era, Ran
from bench.soak.settings import ADMIN, CAPPED, CAPPED_MODEL, FEW_REQUESTS, FEW_SECONDS, KEYS, PROVIDER_KEY
from gateway.errors import NOT_SENT
from gateway.store import verify

MOST_ATTEMPTS = 4
MOST_SECONDS = 8.5  # the total limit of a call, and half a second


class Evidence:
    """A run's records, joined once."""

    def __init__(self, ran: Ran) -> None:
        self.ran = ran
        self.world = ran.world
        self.lines = [line for lifetime in ran.world.lifetimes for line in log_of(lifetime)]
        self.calls = [line for line in self.lines if line["event"] == "call"]
        served = [call for _, call in ran.world.ledger]
        self.cases = cases(ran.callers.results, self.calls, served)

    @cached_property
    def unexplained(self) -> list[tuple[Result, Case]]:
        return [(result, case) for result, case in self._bad if not explanation(result, case, self.world)]

    @cached_property
    def explained(self) -> Counter[str]:
        """How many of what clients saw each fault explains."""
        found = (explanation(result, case, self.world) for result, case in self._bad)
        return Counter(each for each in found if each)

    @property
    def _bad(self) -> list[tuple[Result, Case]]:
        return [(each, case) for case in self.cases.values() for each in case.results if each.came != "answered"]

    @cached_property
    def certain(self) -> list[Case]:
        """Cases of which no replica was killed that might have had them under way."""
        killed = {each.name: each.ended for each in self.world.lifetimes if each.was_killed}
        return [
            case
            for case in self.cases.values()
            if not any(
                each.ended > killed.get(name, float("inf")) - 1.0
                for each in case.results
                for name in (each.lifetime, each.before)
            )
        ]


def client_errors(seen: Evidence) -> Row:
    """Each error that a client saw is explained by a fault whose promise allows it."""
    total, bad = len(seen.ran.callers.results), seen.unexplained
    shown = [f"{each.came} {each.status} {each.code} {each.asked} {case.attempts} {each.said}" for each, case in bad]
    explained = sum(seen.explained.values())
    return Row(
        "client errors that no fault explains",
        f"{len(bad)} of {total:,} requests; {explained:,} explained",
        not bad,
        shown,
    )


def lines_of_calls(seen: Evidence) -> Row:
    """Every request that became a call has one line, and no line comes twice."""
    twice = [id_ for id_, times in Counter(line["id"] for line in seen.calls).items() if times > 1]
    wrong = [case for case in seen.certain if not _least(case) <= len(case.lines) <= len(case.results)]
    shown = [f"{case.results} {case.lines}" for case in wrong] + [f"twice: {id_}" for id_ in twice]
    return Row(
        "calls without exactly one log line", f"{len(wrong) + len(twice)} of {len(seen.calls):,}", not shown, shown
    )


def _least(case: Case) -> int:
    """How many lines there must be: a request that its client left may not have arrived, a refused one is no call."""
    return sum(each.came != "left" and not each.is_shed and not _is_ours(each) for each in case.results)


def _is_ours(result: Result) -> bool:
    is_limited = result.asked.key in ("few", "greedy") or result.asked.agent == CAPPED
    return result.came == "refused" and is_limited and result.status in (429, 503)


def attempts(seen: Evidence) -> Row:
    """The provider was asked as often as the replicas say."""
    wrong = [case for case in seen.certain if not _may_have_been(case)]
    made = sum(has_reached(case) for case in seen.certain)
    shown = [
        f"{case.attempts} {case.served} {[(each.came, each.asked.form) for each in case.results]}" for case in wrong
    ]
    return Row(
        "calls whose attempts are not those that the provider got", f"{len(wrong)}; {made:,} attempts", not wrong, shown
    )


def _may_have_been(case: Case) -> bool:
    """Return whether the provider's account agrees. An attempt that got no answer may not have arrived."""
    unanswered = sum(status is None for _, status, _ in case.attempts)
    return has_reached(case) - unanswered <= len(case.served) - case.sent_again <= has_reached(case)


def tokens(seen: Evidence) -> Row:
    """Tokens and cost are those that the provider charged, where it said so."""
    sure = [case for case in seen.certain if not case.is_estimated and case.lines]
    wrong = [case for case in sure if case.billed != case.recorded]
    cost = sum(nano(line) for case in sure for line in case.lines)
    difference = cost - charged(each for case in sure for each in case.served)
    shown = [f"{case.billed} {case.recorded} {case.attempts} {[each.fault for each in case.served]}" for case in wrong]
    measured = f"{len(wrong)} of {len(sure):,} requests; {difference:+,} nano-USD of {cost:,}"
    return Row("requests whose tokens or cost are not the provider's", measured, not wrong and not difference, shown)


def estimates(seen: Evidence) -> Row:
    """What no provider has said is an estimate: shown beside what was charged."""
    unsure = [case for case in seen.certain if case.is_estimated]
    recorded = sum(nano(line) for case in unsure for line in case.lines)
    billed = charged(each for case in unsure for each in case.served)
    return Row(
        "answers without usage, by estimate",
        f"{len(unsure):,} requests: {recorded:,} recorded, {billed:,} charged",
        None,
    )


def store(seen: Evidence) -> list[Row]:
    """The store has what the logs have; where a replica died or all was erased, within what that may have cost."""
    rows = []
    for number, era in enumerate(seen.ran.eras, start=1):
        found = doubts(seen.world, era.since, era.until)
        lines = [line for line in seen.calls if era.since <= line["at"] <= era.until]
        certain, doubtful = split(lines, found)
        rows.append(_balance(seen, era, f"era {number}", certain, doubtful, found))
    return rows


def _balance(
    seen: Evidence, era: Era, name: str, certain: Sequence[Any], doubtful: Sequence[Any], found: Sequence[Doubt]
) -> Row:
    erased = any(doubt.why == "erased" for doubt in found)
    counted = era.total["calls"] - (0 if erased else era.before["calls"])
    cost = round(era.total["cost_usd"] * 1e9) - (0 if erased else round(era.before["cost_usd"] * 1e9))
    # What a killed replica had reported, but not written to its log.
    unwritten = [each for tag, case in seen.cases.items() if not case.lines for each in case.served] if found else []
    least, most = sum(map(nano, certain)), sum(map(nano, [*certain, *doubtful])) + charged(unwritten)
    holds = least <= cost <= most and len(certain) <= counted <= len(certain) + len(doubtful) + len(unwritten)
    whys = ", ".join(f"{why} {times}" for why, times in sorted(Counter(doubt.why for doubt in found).items()))
    lost = len(certain) + len(doubtful) - counted
    measured = f"{counted:,} calls, {cost:,} nano-USD; " + (
        f"{lost} calls lost of {len(doubtful)} that might be ({whys})" if found else f"difference {cost - least:+}"
    )
    shown = [] if holds else [f"certain {len(certain)}: {least}, possible {most}, {found}"]
    return Row(f"{name}: the store against the logs", measured, holds and era.settled, shown)


def decisions(seen: Evidence) -> Row:
    """No epoch of an agent was decided twice, and its audit is one whole chain."""
    made = Counter((line["agent"], line["epoch"]) for line in seen.lines if line["event"] == "decision")
    twice = [f"{agent} at epoch {epoch}" for (agent, epoch), times in made.items() if times > 1]
    problems = [each for each in verify(seen.ran.audit) if "the store had lost the record" not in each]
    measured = (
        f"{len(made)} decisions, {len(twice)} twice; {len(seen.ran.audit)} audit events, {len(problems)} problems"
    )
    return Row("decisions exactly once, audit chain whole", measured, not twice and not problems, [*twice, *problems])


def few(seen: Evidence) -> Row:
    """The key with few requests had no more in any window, but for a store that was erased."""
    asked = [line for line in seen.calls if line["caller"] == "few" and _was_asked(line)]
    times = sorted(line["at"] - line["latency"] for line in asked)
    erased = [entry.since for entry in seen.world.journal.entries if entry.fault == "store emptied"]
    fullest = max((_within(times, at, erased) for at in times), default=0)
    return Row(
        f"most requests of a limited key in {FEW_SECONDS} s", f"{fullest} of {FEW_REQUESTS}", fullest <= FEW_REQUESTS
    )


def _was_asked(line: Mapping[str, Any]) -> bool:
    """Return whether a provider was asked: a call that its circuit refused takes nothing of a limit."""
    return any(failure not in NOT_SENT for _, _, failure in line["attempts"])


def _within(times: Sequence[float], begins: float, erased: Sequence[float]) -> int:
    ends = begins + FEW_SECONDS - 0.05  # the logs' stamps are later than the grants by some ms
    if any(begins - FEW_SECONDS <= at <= ends + FEW_SECONDS for at in erased):
        return 0
    return sum(begins <= at < ends for at in times)


def budget(seen: Evidence) -> Row:
    """The provider charged no more for the agent with a budget; the budget begins anew where the store was erased."""
    limit = seen.ran.budget_usd * 1e9
    times = 1 + sum(entry.fault == "store emptied" for entry in seen.world.journal.entries)
    spent = charged(each for _, each in seen.world.ledger if each.model == model_of(CAPPED_MODEL))
    measured = f"{spent / limit:.1%} of it" + (f", which began {times} times" if times > 1 else "")
    return Row("spend against a budget, by the provider's books", measured, spent <= limit * times)


def bounds(seen: Evidence) -> Row:
    """Attempts and time of a call are bounded over all retries and fallbacks."""
    most = max((len(line["attempts"]) for line in seen.calls), default=0)
    slowest = max((line["latency"] for line in seen.calls), default=0.0)
    holds = most <= MOST_ATTEMPTS and slowest <= MOST_SECONDS
    return Row("most attempts of a call, longest call", f"{most}, {slowest:.2f} s of 8 s", holds)


def logs(seen: Evidence) -> Row:
    """No traceback and no bug; every end by SIGTERM has exit code 0."""
    bugs = [str(line)[:2000] for line in seen.lines if line["event"] == "bug"]
    traces = [
        f"{each.name}: {text[:2000]}" for each in seen.world.lifetimes if (text := each.served.errors.read_text())
    ]
    codes = [f"{each.name} {each.exit_code}" for each in seen.world.lifetimes if each.exit_code]
    measured = f"{len(bugs)} bugs, {len(traces)} tracebacks, {len(codes)} exit codes; {len(seen.lines):,} lines"
    return Row("tracebacks, bugs, exit codes", measured, not (bugs or traces or codes), [*bugs, *traces, *codes])


def secrets(seen: Evidence) -> Row:
    """No planted key and no token is in a log or in the store."""
    planted = [*KEYS.values(), ADMIN, PROVIDER_KEY]
    texts = {each.name: each.served.out.read_text() + each.served.errors.read_text() for each in seen.world.lifetimes}
    texts["the store"] = seen.ran.stored.decode(errors="replace")
    found = [f"{name}: {secret}" for name, text in texts.items() for secret in planted if secret in text]
    measured = (
        f"{len(found)} of {len(planted)} planted; {len(texts) - 1} logs, {len(seen.ran.stored) >> 10:,} kB stored"
    )
    return Row("secrets in logs and in the store", measured, not found, found)


def seen_by_faults(seen: Evidence) -> Row:
    """What faults themselves looked at: the status names a broken file, a stopped replica ends with 0."""
    found = seen.ran.breaches
    return Row("promises that faults saw broken", f"{len(found)}", not found, found)


def latency(seen: Evidence) -> Row:
    """A call's time while the store is away, beside its time otherwise; calls under a limit wait for their lease."""
    sound = [case.lines[0] for case in seen.cases.values() if len(case.lines) == 1 and _is_plain(case)]
    sound = [line for line in sound if line["caller"] == "app" and line["agent"] != CAPPED]
    journal = seen.world.journal
    away = [line["latency"] for line in sound if journal.of("store", line["at"] - line["latency"], line["at"])]
    usual = [line["latency"] for line in sound if not journal.of("store", line["at"] - line["latency"], line["at"])]
    return Row("p99 of plain calls: faults of the store, none", f"{_p99(away)}, {_p99(usual)}", None)


def machine(seen: Evidence) -> Row:
    """How long the harness, and the provider in it, got no time of the machine."""
    stalls = [entry.until - entry.since for entry in seen.world.journal.entries if entry.kind == "machine"]
    longest = max(stalls, default=0.0)
    return Row("stalls of the machine", f"{len(stalls)} over {STALL_SECONDS:g} s, {longest:.1f} s at most", None)


def shed(seen: Evidence) -> Row:
    """Calls that were shed: allowed, on a machine that others share, and shown."""
    return Row("calls shed with 503", f"{seen.explained[SHED]:,} of {len(seen.ran.callers.results):,}", None)


def _is_plain(case: Case) -> bool:
    return (
        [each.came for each in case.results] == ["answered"]
        and not case.lines[0]["stream"]
        and all(each.fault is None for each in case.served)
    )


def _p99(seconds: Sequence[float]) -> str:
    return f"{sorted(seconds)[int(len(seconds) * 0.99)] * 1000:.0f} ms" if seconds else "–"


_PROMISES: Sequence[Callable[[Evidence], Row]] = (
    *(client_errors, lines_of_calls, attempts, tokens, estimates),
    *(decisions, few, budget, bounds, logs, secrets, seen_by_faults, latency, machine, shed),
)


def judge(seen: Evidence) -> list[Row]:
    """All rows of a run."""
    rows = [promise(seen) for promise in _PROMISES]
    return [*rows[:5], *store(seen), *rows[5:], *growth(seen.world)]
