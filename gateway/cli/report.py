"""`serinus report AGENT`: one HTML page on a rollout, written to a file."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from gateway.cli.client import CommandRefused, Operator
from gateway.terminal import printable


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A report as the gateway says it."""

    agent: str
    html: str


def write_report(operator: Operator, given: argparse.Namespace) -> int:
    """Write the report; the exit code. Raises CommandRefused, also where the file cannot be written."""
    query = urlencode({"since": given.since})
    page = operator.read(ReportPage, operator.ask_json("report", given.agent, query))
    if given.out == "-":
        sys.stdout.write(page.html)
        return 0
    path = Path(given.out or f"report-{Path(given.agent).name}.html")
    try:
        path.write_text(page.html, "utf-8")
    except OSError as error:
        raise CommandRefused(f"cannot write {path}: {error.strerror}") from None
    print(printable(f"{path}: the report on {page.agent}"))
    return 0
