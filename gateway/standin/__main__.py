"""`python -m gateway.standin`: the stand-in provider without the rest of Serinus."""

import argparse
import sys
from pathlib import Path

from .behaviour import BadBehaviour, Behaviours, read_behaviours
from .server import WRONG_USAGE, run


def main(arguments: list[str]) -> int:
    """The exit code: 0 when told to stop, 2 for wrong usage or a wrong file."""
    parser = argparse.ArgumentParser(prog="python -m gateway.standin", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:9000", help="host:port (default: %(default)s)")
    parser.add_argument("--behaviours", type=Path, help='JSON file: {"default": {…}, "models": {"gpt-4o": {…}}}')
    parser.add_argument("--api-key", help="the Bearer token that calls need (default: none)")
    given = parser.parse_args(arguments)
    try:
        behaviours = read_behaviours(given.behaviours.read_bytes()) if given.behaviours else Behaviours()
    except (OSError, BadBehaviour) as error:
        print(f"{given.behaviours}: {error}", file=sys.stderr)
        return WRONG_USAGE
    return run(given.listen, behaviours.models, behaviours.default, api_key=given.api_key)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
