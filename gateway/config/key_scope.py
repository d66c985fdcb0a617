"""The scope of a key: which agents and which plain models it may call, by what it names of either.

A key that names one kind alone calls none of the other; one that names neither calls all of both.
"""

from collections.abc import Sequence

Names = tuple[str, ...]


def agents_in_scope(agents: Names | None, models: Sequence[object] | None) -> Names | None:
    """Return the agents that a key with these `agents` and `models` may call; None for all."""
    return () if agents is None and models else agents


def models_in_scope(agents: Names | None, models: Names | None) -> Names | None:
    """Return the patterns of plain models that such a key may call; None for all that are passed on."""
    return () if models is None and agents is not None else models
