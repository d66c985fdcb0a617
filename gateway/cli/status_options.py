"""Options of `serinus status`, apart from what it needs when it runs."""

import argparse

from gateway.cli.fail_on import exit_codes, fail_on
from gateway.cli.numbers import interval
from gateway.cli.output import USUAL_EXITS, add_help, add_json

_EXITS = {**USUAL_EXITS, 1: f"{USUAL_EXITS[1]}; without --fail-on also: the files are refused", **exit_codes()}


def add_status_options(status: argparse.ArgumentParser) -> None:
    """Add the arguments of `status`, and its help."""
    status.add_argument("agent", nargs="?", help="the agent's name (default: all)")
    add_json(status, "print the JSON of /status; with --watch one line a look")
    status.add_argument("--watch", action="store_true", help="look again and again, until Ctrl-C or --fail-on")
    status.add_argument(
        "--every", type=interval, default=2.0, metavar="SECONDS", help="with --watch: between looks (default: 2)"
    )
    status.add_argument(
        "--fail-on", type=fail_on, metavar="WORD,…",
        help="exit with the code of the first of these conditions that holds, or `all`; see the exit codes",
    )  # fmt: skip
    examples = ("status", "status support --watch", "status --fail-on breached,rolled_back,store_away,config_error")
    add_help(status, *examples, exits=_EXITS)
