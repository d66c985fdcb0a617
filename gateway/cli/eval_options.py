"""Arguments of `serinus eval`."""

import argparse
from pathlib import Path
from typing import Final

from gateway.cli.numbers import rate, runs
from gateway.cli.output import add_help, add_json

EXITS: Final = {
    0: "passed",
    1: "failed",
    2: "could not run, or too few cases to tell",
    130: "interrupted",
    143: "ended by SIGTERM",
}
REPORTS: Final = (".json", ".junit.xml", ".md", ".html")
_NANO: Final = 1_000_000_000
_MOST_USD: Final = 1_000_000.0


def add_eval_options(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    command.add_argument(
        "subject", nargs="?", metavar="AGENT[@VERSION]",
        help="the version to evaluate (default: the agent's canary, else stable)",
    )  # fmt: skip
    command.add_argument(
        "--changed",
        metavar="COMMIT",
        help="evaluate all versions that differ from that commit, each by its suite",
    )
    command.add_argument(
        "--suite", type=Path, metavar="FILE", help="the suite, in any known dialect (default: the agent's `evaluation`)"
    )
    command.add_argument(
        "--against", metavar="VERSION", help="the version to compare with (default: the agent's stable); - for none"
    )
    command.add_argument("--repeat", type=runs, metavar="K", help="ask each case so often (default: as the suite says)")
    command.add_argument(
        "--concurrency", type=runs, metavar="N", help="cases at the same time (default: as the suite says)"
    )
    command.add_argument("--max-cost", type=nano_usd, metavar="USD", help="spend no more than that; stops before it")
    command.add_argument(
        "--margin", type=rate, default=0.05, metavar="SHARE", help="on how many of such cases it may be worse (5%%)"
    )
    command.add_argument("--judge", metavar="TARGET", help="provider/model that grades, where a check names none")
    command.add_argument(
        "--output", type=_report, action="append", default=[], metavar="FILE",
        help="write a report; its kind is the name's ending: .json, .junit.xml, .md or .html; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--record", action="store_true", help="write the record beside the version's file, for the gate of its rollout"
    )
    command.add_argument(
        "--cache", type=Path, metavar="FILE", help="where answers are kept (default: ~/.cache/serinus)"
    )
    command.add_argument("--no-cache", action="store_true", help="ask everything anew, and keep nothing")
    add_json(command, "print the report as JSON")
    add_help(
        command,
        "eval support --suite evals/support.yaml",
        "eval --changed origin/main --record --max-cost 5",
        "eval support@v3 --suite promptfooconfig.yaml --repeat 3 --max-cost 5 --output report.md",
        exits=EXITS,
    )


def nano_usd(text: str) -> int:
    """`5` or `5.00` dollars, as nano-dollars."""
    try:
        usd = float(text.removeprefix("$"))
    except ValueError:
        usd = 0.0
    if not 0 < usd <= _MOST_USD:
        raise argparse.ArgumentTypeError(f"{text!r} is not a sum above 0 in USD, such as 5.00")
    return round(usd * _NANO)


def _report(text: str) -> Path:
    if not text.endswith(REPORTS):
        raise argparse.ArgumentTypeError(f"{text!r} ends in none of {', '.join(REPORTS)}")
    return Path(text)
