"""Options of `serinus judge`."""

import argparse

from gateway.cli.numbers import rate, runs, runs_or_none
from gateway.cli.output import USUAL_EXITS, add_help, add_json

_MOST_USD = 1_000_000
_EXITS = {
    **USUAL_EXITS,
    0: "all was graded; of calibrate: a guardrail may act on the judge",
    1: "it stopped before its end, or was refused; of calibrate: the judge only warns",
}


def add_judge_options(judge: argparse.ArgumentParser) -> None:
    """Add the arguments of `judge`, and its help."""
    judge.usage = (
        "%(prog)s [AGENT] [--since TIME] [--sample SHARE] [--limit N]\n"
        "                     [--max-cost USD] [--json] [--url URL]\n"
        "       %(prog)s calibrate LABELS.jsonl [--passed N --judged N] [--json]"
    )
    judge.add_argument(
        "what", nargs="*", metavar="AGENT", help="the agent (default: all with a judge); or: calibrate FILE"
    )
    judge.add_argument("--since", default="24h", metavar="TIME", help="calls since then: 24h, 7d (default: 24h)")
    judge.add_argument(
        "--sample", type=rate, default=1.0, metavar="SHARE", help="the share of them that is graded (default: 100%%)"
    )
    judge.add_argument("--limit", type=runs, metavar="N", help="so many calls at most")
    judge.add_argument("--max-cost", type=dollars, metavar="USD", help="spend so much at most, within the day's limit")
    judge.add_argument(
        "--passed", type=runs_or_none, metavar="N", help="of calibrate: calls that the judge has passed …"
    )
    judge.add_argument("--judged", type=runs, metavar="N", help="… of so many, for the rate that people would find")
    add_json(judge)
    add_help(
        judge, "judge --since 24h --max-cost 2", "judge support --sample 10% --limit 500",
        "judge calibrate labels.jsonl --passed 812 --judged 1000", exits=_EXITS,
    )  # fmt: skip


def dollars(text: str) -> float:
    """Return US dollars above 0. Raises ArgumentTypeError."""
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount <= _MOST_USD:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of US dollars above 0")
    return amount
