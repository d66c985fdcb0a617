"""The demo for a pipe or a log: one line a second, and one for everything that happens."""

from collections.abc import Sequence

from gateway.number_words import usd
from gateway.rehearsal.demo.picture import Picture, Row

_EVERY_SECONDS = 1.0
_EVERY_SECONDS_AFTERWARDS = 15.0


class PlainScreen:
    """Prints lines, each flushed, so that whoever reads along is never behind."""

    def __init__(self) -> None:
        self._next = 0.0
        self._every = _EVERY_SECONDS

    def say(self, text: str, seconds: float) -> None:
        """Something happened."""
        print(f"{clock(seconds)} * {text}", flush=True)

    def paint(self, picture: Picture) -> None:
        """Print the moment, unless the last one is too young."""
        if picture.seconds >= self._next:
            self._next = picture.seconds + self._every
            print(line(picture), flush=True)

    def list(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows of words, one column under the other."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(f"{word:<{width}}" for word, width in zip(row, widths, strict=True)).rstrip())
        print(flush=True)

    def write(self, text: str) -> None:
        """Print a line as it is."""
        print(text, flush=True)

    def pause(self) -> None:
        """The story has been told: from now on less often."""
        self._every = _EVERY_SECONDS_AFTERWARDS


def line(picture: Picture) -> str:
    """The moment on one line."""
    rows = "  ".join(_row(row) for row in picture.rows)
    proof = "gate closed" if picture.gate else f"E {picture.e_value:.3g} of {picture.threshold:g}"
    phase = " | ".join(dict.fromkeys(picture.phases))
    clients = f"{picture.calls} calls, clients saw {picture.client_errors} errors, {picture.flips} flips"
    return f"{clock(picture.seconds)}   {picture.act}: {rows}  {proof}  {phase}  {clients}"


def clock(seconds: float) -> str:
    """`83` seconds as `01:23`."""
    return f"{int(seconds // 60):02}:{int(seconds % 60):02}"


def _row(row: Row) -> str:
    if row.sums is None:
        return f"{row.version} {row.share:.1%}"
    cost = "" if row.sums.cost_usd is None else f" {usd(row.sums.cost_usd)}"
    return f"{row.version} {row.share:.1%} {row.sums.requests} requests {row.sums.errors} errors{cost}"
