"""Options of `serinus keys`, apart from what it needs when it runs."""

import argparse
import os
from pathlib import Path
from typing import Final

from gateway.cli.defaults import default_folder
from gateway.cli.output import USUAL_EXITS, add_help, add_json

VERBS: Final = ("new", "list", "rotate", "usage")


def add_key_options(keys: argparse.ArgumentParser) -> None:
    """Add the arguments of `serinus keys`."""
    keys.add_argument("verb", choices=VERBS, metavar="VERB", help=f"one of {', '.join(VERBS)}")
    keys.add_argument("name", nargs="?", help="the caller; of usage: a key, a group or an agent (default: all)")
    keys.add_argument("--group", help="of new: the caller's group")
    keys.add_argument("--agents", metavar="NAMES", help="of new: agents that it may call alone, such as support,sales")
    keys.add_argument("--expires", metavar="DAY", help="of new: the day (UTC) from which it is refused, 2027-01-31")
    keys.add_argument(
        "--config", type=Path, default=default_folder(os.environ), metavar="DIR",
        help="of new and rotate: configuration folder, which is read and not written (config/, or SERINUS_CONFIG)",
    )  # fmt: skip
    add_json(keys)
    add_help(
        keys, "keys new web-app --group internal --agents support --expires 2027-01-31", "keys rotate web-app",
        "keys list", "keys usage web-app --json",
        exits={**USUAL_EXITS, 1: f"{USUAL_EXITS[1]}, or there is no such name"},
        more=[
            "verbs:", "  new     make a key; print it once, and the YAML for gateway.yaml. Nothing is written",
            "  list    who may call, which agents and until when; when each key was last sent",
            "  rotate  make a caller's next key; both are accepted until you remove the old one",
            "  usage   what is used and left of limits and budgets, and when they begin anew",
        ],
    )  # fmt: skip
