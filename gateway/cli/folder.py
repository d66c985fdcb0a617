"""Arguments of the commands that read the configuration folder, and the environment that they read it with."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.cli.defaults import default_folder

WRONG_CONFIGURATION = 2

Run = Callable[[argparse.Namespace], int]


def add_folder(command: argparse.ArgumentParser, run: Run) -> None:
    """Add `--config` and `--env-file`; `run` finds the environment complete, and warnings about the file."""
    command.add_argument(
        "--config", type=Path, default=default_folder(os.environ), metavar="DIR",
        help="configuration folder (default: config/, or SERINUS_CONFIG)",
    )  # fmt: skip
    command.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="file with environment variables (default: .env in the configuration folder, if there is one)",
    )
    command.set_defaults(run=partial(_run_with_env_file, run))


def _run_with_env_file(run: Run, given: argparse.Namespace) -> int:
    from gateway.config import ConfigProblems, add_env_file

    try:
        given.warnings = add_env_file(os.environ, given.config, given.env_file)
    except ConfigProblems as problems:
        print(problems, file=sys.stderr)
        return WRONG_CONFIGURATION
    return run(given)
