"""Options of `serinus review`, apart from what it needs when it runs."""

import argparse
from typing import Final

from gateway.cli.output import add_help, add_json

FORMATS: Final = ("promptfoo", "jsonl", "labels")
_USAGE = (
    "%(prog)s [AGENT] [--json] [--url URL]\n"
    "       %(prog)s export AGENT --format FORMAT [--since TIME]\n"
    "                             [--label LABEL] [--output FILE]"
)


def add_review_options(review: argparse.ArgumentParser) -> None:
    """Add the arguments of `serinus review`."""
    review.usage = _USAGE
    review.add_argument("what", nargs="*", metavar="AGENT", help="one agent; or: export AGENT")
    review.add_argument(
        "--format", choices=FORMATS, metavar="FORMAT",
        help="of export: promptfoo (a suite for `serinus eval`), jsonl (good answers as examples) or labels (for "
        "`serinus judge calibrate`)",
    )  # fmt: skip
    review.add_argument("--since", metavar="TIME", help="of export: labels of that time on, such as 7d")
    review.add_argument("--label", choices=("bad", "good"), metavar="LABEL", help="of export: bad or good alone")
    review.add_argument("--output", metavar="FILE", help="of export: where to write it (default: standard output)")
    add_json(review)
    add_help(
        review, "review", "review support", "review export support --format promptfoo --output evals/reviewed.yaml",
        "review export support --format labels --since 7d --output labels.jsonl",
    )  # fmt: skip
