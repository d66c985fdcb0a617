"""The nightly batch: recorded calls that no judge has graded, a page at a time, so that its progress is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import NotFound
from gateway.judging.batch_view import JudgeBatchView
from gateway.live_judge.live_judge import JudgedCase, LiveJudge
from gateway.live_judge.sampling import is_sampled, shares_of
from gateway.rollout.table import Entry
from gateway.traces.reader import TraceReader
from gateway.traces.record import CallRecord
from gateway.traces.search import CallFilter, find_calls

_PAGE: Final = 20  # calls that are looked at for one request
_MOST_QUESTIONS: Final = 4  # calls that are graded for one request: some seconds with most models
_NANO: Final = 1e9


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of the batch: calls since then (Unix seconds), before a place, of which a share (basis points) is graded.

    At most `limit` calls are graded, and `left` nano-dollars spent; None for no limit.
    """

    since: float
    before: str
    sample: int
    limit: int
    left: int | None


async def judge_page(judge: LiveJudge, reader: TraceReader, entry: Entry, page: BatchPage) -> JudgeBatchView:
    """Grade the next calls of an agent. Raises StoreAway, NotFound."""
    if entry.agent.judge is None:
        raise NotFound(f"agent {entry.agent.name!r} has no judge: add `judge` to it in routing.yaml", code="no_judge")
    await reader.catch_up()
    agent = entry.agent.name
    before: str | None = page.before
    counts, spent = dict.fromkeys(("judged", "passed", "undecided"), 0), 0
    stopped, questions = "", min(page.limit, _MOST_QUESTIONS)
    found = await find_calls(reader, [agent], CallFilter(since=page.since), _PAGE, page.before)
    records = [calls[0] for calls in found.found]
    for case in await _cases(judge, reader, entry, records, page.sample):
        if not questions:
            break
        left = None if page.left is None else page.left - spent
        done = await judge.judge(case, entry, entry.agent.judge, left)
        spent, questions = spent + done.nano_usd, questions - (done.ending != "taken")
        if done.ending in ("judged", "undecided"):
            counts[done.ending] += 1
            counts["passed"] += done.passed
        elif done.ending != "taken":
            stopped = done.why
            break
    else:
        before = found.next
    return JudgeBatchView(
        looked_at=len(records),
        judged=counts["judged"],
        passed=counts["passed"],
        undecided=counts["undecided"],
        cost_usd=spent / _NANO,
        stopped=stopped,
        next=before,
        is_over=before is None,
    )


async def _cases(
    judge: LiveJudge, reader: TraceReader, entry: Entry, records: Sequence[CallRecord], sample: int
) -> list[JudgedCase]:
    """Return those of the calls that are in the sample, that have texts, and that nobody has graded."""
    known = await judge.store.were_judged(entry.agent.name, [record.key for record in records])
    open_ = [record for record in records if record.key not in known]
    contents = await reader.contents.of_calls(open_)
    made = (judge.case_of(record, contents[record.key]) for record in open_ if record.key in contents)
    return [case for case in made if case is not None and _is_in_batch(entry, case, sample)]


def _is_in_batch(entry: Entry, case: JudgedCase, sample: int) -> bool:
    """Return whether the call is graded. As many units of either arm of a running trial are, as in the live sample."""
    booking, state = case.booking, entry.state
    is_evidence = booking.arm is not None and state is not None and state.evidence == booking.evidence
    shares = shares_of(sample, entry.split.weight if entry.on_trial and is_evidence else 0)
    return is_sampled(case.record.key, booking.unit, booking.arm if is_evidence else None, shares)
