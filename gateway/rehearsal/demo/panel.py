"""The demo for a terminal: a panel that lives, and above it what happened."""

from collections.abc import Sequence

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.number_words import usd
from gateway.rehearsal.demo.picture import Picture, Row
from gateway.rehearsal.demo.plain import clock
from gateway.rehearsal.demo.summary import BROKEN, KEPT
from gateway.rollout.status_words import evidence_number, rarity

_WIDEST = 100
_BAR_CELLS = 40
_MARK_STYLES = {KEPT: "bold green", BROKEN: "bold red"}
# Wide enough for what is to come, so that nothing moves while numbers grow.
_COLUMNS = (
    ("weight", 6), ("share", 6), ("calls", 6), ("errors", 6), ("rate", 5), ("cost", 7), ("per call", 9)
)  # fmt: skip
_FULL, _EMPTY = "█", "░"


class PanelScreen:
    """Paints over the last picture, and writes what happened above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def say(self, text: str, seconds: float) -> None:
        """Something happened."""
        style = "bold red" if text.startswith(("ROLLED BACK", "REFUSED")) else ""
        said = Table.grid(padding=(0, 1))
        said.add_row(Text(clock(seconds), "dim"), Text("●", "cyan"), Text(text, style))
        self._console.print(said, width=self._width)

    def paint(self, picture: Picture) -> None:
        """Show the moment."""
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(panel(picture, self._width), refresh=True)

    def list(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows of words, one column beside the other; a row that begins with a check mark in its colour."""
        table = Table.grid(padding=(0, 2))
        for row in rows:
            first, *rest = row
            table.add_row(Text(first, _MARK_STYLES.get(first, "dim")), *map(Text, rest))
        self._console.print(table, Text(), width=self._width)

    def write(self, text: str) -> None:
        """Print a line as it is, not folded, so that it can be copied."""
        self._console.print(Text(text), soft_wrap=True)

    def pause(self) -> None:
        """Leave the last picture where it is and give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def _width(self) -> int:
        return min(self._console.width, _WIDEST)


def panel(picture: Picture, width: int) -> Panel:
    """The moment in a frame."""
    title = Text.assemble(("serinus demo", "bold"), (" · ", "dim"), (picture.act, _act_style(picture)))
    pace = f"{clock(picture.seconds)} · {picture.calls_per_second:.0f} calls/s"
    inside = Group(_versions(picture), Text(), _evidence(picture), _clients(picture), _page(picture))
    return Panel(
        inside, title=title, title_align="left", subtitle=Text(pace, "dim"), subtitle_align="right",
        box=ROUNDED, border_style=_act_style(picture), padding=(0, 2), width=width,
    )  # fmt: skip


def _act_style(picture: Picture) -> str:
    if picture.rolled_back:
        return "green"
    return "red" if picture.broken else "cyan"


def _versions(picture: Picture) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=True, header_style="dim", show_edge=False)
    table.add_column("version", no_wrap=True)
    for name, width in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for row in picture.rows:
        table.add_row(*_cells(row, picture))
    return table


def _cells(row: Row, picture: Picture) -> list[RenderableType]:
    failing = picture.broken and row.role == "canary"
    name = Text.assemble((row.version, "bold red" if failing else "bold"), (f" {row.role}", "dim"))
    parts: list[RenderableType] = [name, f"{row.weight:.0%}", f"{row.share:.1%}"]
    sums = row.sums
    if sums is None or not sums.requests:
        return [*parts, "0", "0", "–", "–", "–"]
    rate = f"{sums.errors / sums.requests:.1%}"
    red = "bold red" if failing else ""
    return [
        *parts, f"{sums.requests:,}", Text(f"{sums.errors:,}", red), Text(rate, red),
        _usd(sums.cost_usd), _usd(sums.cost_per_request_usd),
    ]  # fmt: skip


def _evidence(picture: Picture) -> Table:
    grid = _gate(picture) if picture.gate else _proof(picture)
    grid.add_row(Text("replicas", "dim"), Text(" · ".join(picture.phases), "red" if picture.rolled_back else ""))
    return grid


def _gate(picture: Picture) -> Table:
    grid = _grid()
    grid.add_row(Text("gate", "dim"), Text("closed", "bold yellow"))
    grid.add_row(Text(), Text(picture.gate, "dim"))
    return grid


def _proof(picture: Picture) -> Table:
    cells = round(picture.proof * _BAR_CELLS)
    color = "red" if picture.proof >= 1 else "yellow" if picture.proof >= 0.5 else "green"
    grid = _grid()
    bar = Text.assemble((_FULL * cells, color), (_EMPTY * (_BAR_CELLS - cells), "dim"))
    bar.append(f"  E = {evidence_number(picture.e_value)}", f"bold {color}").append(f" of {picture.threshold:g}", "dim")
    grid.add_row(Text("evidence", "dim"), bar)
    meaning = f"{rarity(picture.e_value)}; at E = {picture.threshold:g} it is rolled back"
    grid.add_row(Text(), Text(meaning, "dim"))
    return grid


def _clients(picture: Picture) -> Table:
    grid = _grid()
    text = Text.assemble((f"{picture.calls:,}", "bold"), " calls, ", _good_when_zero(picture.client_errors, "error"))
    text.append(f" ({picture.rescued:,} failures caught), ", "dim")
    text.append(_good_when_zero(picture.flips, "flip", " of version"))
    if picture.escalated:
        text.append(f", {picture.escalated} handed to a person", "yellow")
    grid.add_row(Text("clients", "dim"), text)
    return grid


def _page(picture: Picture) -> Table:
    grid = _grid()
    grid.add_row(Text("page", "dim"), Text(picture.page, "cyan"))
    return grid


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=8)
    grid.add_column()
    return grid


def _good_when_zero(count: int, noun: str, rest: str = "") -> Text:
    return Text(f"{count} {noun}{'' if count == 1 else 's'}{rest}", "bold red" if count else "green")


def _usd(amount: float | None) -> str:
    return "–" if amount is None else usd(amount)
