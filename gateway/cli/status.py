"""`serinus status`: once or again and again, as text or JSON, and the exit codes of `--fail-on`."""

import argparse
import json
import sys
from collections.abc import Sequence

from gateway.cli.client import THE_ANSWER_IS_NO, CommandRefused, Misused, Operator
from gateway.cli.fail_on import first_failure
from gateway.cli.output import TextRow, print_json, print_rows
from gateway.cli.status_text import status_rows
from gateway.cli.watch import Look, watch
from gateway.terminal import printable

_WELL = 0


def run(operator: Operator, given: argparse.Namespace) -> int:
    """Run the command; its exit code. Raises CommandRefused."""
    looks = _Looks(operator, given)
    if given.watch:
        return watch(looks.look, given.every, for_people=not given.json)
    look = looks.look()
    if not given.json:
        print_rows(look.rows)
    return _WELL if look.code is None else look.code


class _Looks:
    """The looks at one gateway. After a good one, a gateway that does not answer is waited for."""

    def __init__(self, operator: Operator, given: argparse.Namespace) -> None:
        self._operator = operator
        self._given = given
        self._last: Sequence[TextRow] = ()
        self._complained = ""

    def look(self) -> Look:
        """Return what is to be shown now, and the exit code where a condition holds. Raises CommandRefused."""
        try:
            said = self._operator.status_json(self._given.agent)
        except Misused:
            raise
        except CommandRefused as error:
            if not self._last:
                raise
            return Look([TextRow(str(error), "red"), TextRow(), *self._last])
        if self._given.json:
            print_json(said) if not self._given.watch else print(json.dumps(said), flush=True)
            self._last = (TextRow(),)
            if not self._given.fail_on:
                return Look((), self._code_of_files(said))
        view = self._operator.read_status(said)
        if not self._given.json:
            self._last = status_rows(view, self._operator.url)
        rows = () if self._given.json else self._last
        if self._given.fail_on and (found := first_failure(view, self._given.fail_on)):
            code, why = found
            self._complain(why)
            return Look(rows, code)
        return Look(rows, None if self._given.fail_on else self._code_of_files(said))

    def _code_of_files(self, said: object) -> int | None:
        """Return the exit code while the gateway refuses its present files; None where it does not say, or watches."""
        for name in ("gateway", "config", "error"):
            said = said.get(name) if isinstance(said, dict) else None
        if not said:
            return None
        if self._given.json:
            self._complain(f"config_error: {said}")
        return None if self._given.watch else THE_ANSWER_IS_NO

    def _complain(self, why: str) -> None:
        """Say it on standard error, where a cron job's mail shows it; once while it lasts."""
        if why != self._complained:
            self._complained = why
            print(printable(why), file=sys.stderr)
