"""The options of `serinus costs`, apart from what it needs when it runs."""

import argparse


def add_cost_options(costs: argparse.ArgumentParser) -> None:
    """The options of the command."""
    costs.add_argument("agent", nargs="?", help="the agent's name (default: all)")
    costs.add_argument(
        "--by", default="agent,version", metavar="NAMES", help="what rows are by: of agent,version,key,model,day"
    )
    costs.add_argument("--since", default="30d", metavar="TIME", help="7d, 24h, or a date such as 2026-11-01T00:00Z")
    form = costs.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print the rows as CSV")
    form.add_argument("--json", action="store_true", help="print the JSON of /costs")
