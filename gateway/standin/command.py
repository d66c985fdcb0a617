"""The stand-in's command line, for `serinus standin` and `python -m gateway.standin` alike."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .behaviour import BadBehaviour, Behaviours, read_behaviours
from .server import WRONG_USAGE, run


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 when told to stop, 2 for wrong usage or a wrong file."""
    parser = argparse.ArgumentParser("python -m gateway.standin", description=__doc__)
    add_arguments(parser)
    return serve(parser.parse_args(arguments))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that `serve` reads."""
    parser.add_argument("--listen", default="127.0.0.1:9000", help="host:port (default: %(default)s)")
    parser.add_argument("--behaviours", type=Path, help='JSON file: {"default": {…}, "models": {"gpt-4o": {…}}}')
    parser.add_argument("--api-key", help="the Bearer token that calls need (default: none)")


def serve(given: argparse.Namespace) -> int:
    """Serve until told to stop; the exit code."""
    try:
        behaviours = read_behaviours(given.behaviours.read_bytes()) if given.behaviours else Behaviours()
    except (OSError, BadBehaviour) as error:
        print(f"{given.behaviours}: {error}", file=sys.stderr)
        return WRONG_USAGE
    return run(given.listen, behaviours.models, behaviours.default, api_key=given.api_key)
