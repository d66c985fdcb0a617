"""Seeded simulations: a bad canary is out within a handful of its calls, and a blameless one stays in."""

from pathlib import Path

import pytest

from bench.power import BAD, BEGIN, BLAMELESS, END, Bad, falsely, requests, write
from policies.simulation.worlds import World


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.bar or bad.since], ids=lambda bad: bad.name)
def test_a_bad_canary_is_rolled_back_in_time(bad: Bad) -> None:
    """At 5 % of the traffic, 95 of 100 rollouts end within the bar."""
    late = requests(bad, runs=60 if bad.bar else 10, seed=7)[1]
    assert late is not None
    assert late <= (bad.bar or 700)


@pytest.mark.parametrize("world", BLAMELESS.values(), ids=list(BLAMELESS))
def test_a_blameless_canary_stays(world: World) -> None:
    """10 rollouts of 5,000 canary calls each; one in a hundred is what is promised."""
    assert falsely(world, runs=10, seed=8, limit=5000) == 0


def test_the_document_takes_the_table(tmp_path: Path) -> None:
    """Between its marks, with the command that made it; the rest stays."""
    document = tmp_path / "statistics.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(["| a |"], "make it", document)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n`make it`, ")
    assert text.endswith(f":\n\n| a |\n{END}\nafter\n")
