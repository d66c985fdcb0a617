"""`serinus judge`: recorded calls graded after the fact; and how far a judge agrees with people."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.cli.client import CommandRefused, Misused, Operator
from gateway.cli.output import print_json
from gateway.judging.agreement import Interval
from gateway.judging.labels import JudgeLabels, LabelsError, by_judge, read_labels, sentence
from gateway.number_words import usd
from gateway.rollout.status_view import StatusView
from gateway.terminal import is_terminal, one_line, printable

_WELL, _THE_ANSWER_IS_NO = 0, 1


@dataclass(slots=True)
class BatchSums:
    """Sums of a batch. `stopped` says why it went no further, '' where everything was graded."""

    agent: str
    looked_at: int = 0
    judged: int = 0
    passed: int = 0
    undecided: int = 0
    cost_usd: float = 0.0
    stopped: str = ""

    def __str__(self) -> str:
        passed = f"{self.passed:,} passed, {self.undecided:,} undecided"
        looked = f"{self.looked_at:,} calls looked at, {self.judged:,} judged: {passed}, {usd(self.cost_usd)}"
        return f"{self.agent}: {looked}{f'; stopped: {self.stopped}' if self.stopped else ''}"


def run_judge(operator: Operator, given: argparse.Namespace) -> int:
    """Run `serinus judge [AGENT]`, or `serinus judge calibrate FILE`; the exit code."""
    match given.what:
        case ["calibrate", file]:
            return calibrate(Path(file), given)
        case [] | [_]:
            return judge_recorded(operator, given)
    raise Misused("say 'judge', 'judge AGENT' or 'judge calibrate LABELS.jsonl'")


def judge_recorded(operator: Operator, given: argparse.Namespace) -> int:
    """Grade what was recorded and not graded; exit code 1 where that stopped before its end."""
    agents = given.what or [name for name, view in _status(operator).agents.items() if view.judge is not None]
    if not agents:
        raise CommandRefused("no agent has a judge: add `judge` to one in routing.yaml")
    sums, left, limit = list[BatchSums](), given.max_cost, given.limit
    for agent in agents:
        found = BatchSums(agent)
        sums.append(found)
        for _ in _pages(operator, found, given, left, limit):
            _show(found, given)
        left = None if left is None else max(left - found.cost_usd, 0.0)
        limit = None if limit is None else limit - found.judged - found.undecided
    if given.json:
        print_json([asdict(each) for each in sums])
    else:
        print("\n".join(one_line(str(each)) for each in sums))
    return _THE_ANSWER_IS_NO if any(each.stopped for each in sums) else _WELL


def calibrate(file: Path, given: argparse.Namespace) -> int:
    """Tell how far a judge agrees with people; exit code 1 where a guardrail would not act on it."""
    if (given.passed is None) is not (given.judged is None):
        raise Misused("--passed and --judged go together: so many passed, of so many")
    if given.passed is not None and given.passed > given.judged:
        raise Misused(f"--passed {given.passed} is more than --judged {given.judged}")
    try:
        with file.open(encoding="utf-8") as lines:
            judges = by_judge(read_labels(lines, str(file)))
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file}: {error.strerror if isinstance(error, OSError) else 'is no UTF-8'}") from None
    except LabelsError as error:
        raise Misused(str(error)) from None
    if not judges:
        raise Misused(f"{file}: no label has a judge's score beside it")
    if given.json:
        print_json([_as_json(each, given) for each in judges])
    else:
        print(printable("\n\n".join("\n".join(_lines(each, given)) for each in judges)))
    return _WELL if all(each.agreement.is_trusted for each in judges) else _THE_ANSWER_IS_NO


def _pages(
    operator: Operator, sums: BatchSums, given: argparse.Namespace, left: float | None, limit: int | None
) -> Iterator[None]:
    """Have page after page graded, until nothing is left or it stops."""
    before: str | None = ""
    while before is not None:
        asked = {"since": given.since, "before": before, "sample": given.sample}
        if limit is not None:
            asked["limit"] = limit - sums.judged - sums.undecided
            if asked["limit"] <= 0:
                return
        if left is not None:
            asked["max_cost"] = max(left - sums.cost_usd, 0.0)
        page = operator.judge(sums.agent, asked)
        sums.looked_at += page.looked_at if page.next != before else 0
        sums.judged, sums.passed = sums.judged + page.judged, sums.passed + page.passed
        sums.undecided, sums.cost_usd = sums.undecided + page.undecided, sums.cost_usd + page.cost_usd
        sums.stopped = page.stopped
        yield
        before = None if page.stopped or page.is_over else page.next


def _show(sums: BatchSums, given: argparse.Namespace) -> None:
    """Show how far it has come, where somebody looks on."""
    if not given.json and is_terminal(sys.stderr):
        print(f"\r{one_line(str(sums))}\033[K", end="\r", file=sys.stderr, flush=True)


def _status(operator: Operator) -> StatusView:
    return operator.status(None)


def _lines(labels: JudgeLabels, given: argparse.Namespace) -> Iterator[str]:
    found = labels.agreement
    yield f"{labels.agent or 'all agents'}, judge {labels.digest[:12] or 'unknown'}: {found.labels:,} labels"
    yield f"  {'':<16} {'people: good':>12} {'people: bad':>12}"
    yield f"  {'judge: passed':<16} {found.both_pass:>12,} {found.judge_only:>12,}"
    yield f"  {'judge: failed':<16} {found.people_only:>12,} {found.both_fail:>12,}"
    passed, judged = _judged(labels, given)
    if judged and (rate := found.adjusted_rate(passed, judged)) is not None:
        seen = f"the judge passed {passed / judged:.0%} of {judged:,}"
        yield f"  People would find {rate.value:.0%} of the calls good ({rate.low:.0%} to {rate.high:.0%}); {seen}."
    yield f"  {sentence(found)}"


def _as_json(labels: JudgeLabels, given: argparse.Namespace) -> dict[str, object]:
    found = labels.agreement
    passed, judged = _judged(labels, given)
    return {
        "agent": labels.agent,
        "judge": labels.digest,
        "labels": found.labels,
        **asdict(found),
        "kappa": _interval(found.kappa),
        "adjusted_rate": _interval(found.adjusted_rate(passed, judged)),
        "acts": found.is_trusted,
        "sentence": sentence(found),
    }


def _judged(labels: JudgeLabels, given: argparse.Namespace) -> tuple[int, int]:
    """Return the calls that the judge passed, of how many: those that the command names, or else the labelled ones."""
    if given.passed is not None and given.judged is not None:
        return given.passed, given.judged
    return labels.passed, labels.agreement.labels


def _interval(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {name: round(value, 6) for name, value in asdict(found).items()}
