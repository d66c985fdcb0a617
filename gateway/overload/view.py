"""The overload of one process as `/status` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OverloadView:
    """Overload of one process: the reasons for which it sheds, how many calls it has shed for each since its start, its
    loop's delay in seconds, the used part of its memory limit (0 without one)."""

    shedding: tuple[str, ...] = ()
    shed: Mapping[str, int] = field(default_factory=dict)
    delay: float = 0.0
    memory: float = 0.0
