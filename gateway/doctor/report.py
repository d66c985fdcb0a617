"""The doctor's report as text for a person, and as JSON for a program."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from gateway.doctor.diagnosis import Condition, Diagnosis
from gateway.number_words import usd

_MARKS: Final[dict[Condition, str]] = {"well": "ok", "doubtful": "WARN", "broken": "FAIL"}
_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Examined:
    """Diagnoses of one examination.

    `calls` counts the targets that were asked; `nano_usd` is the cost, None if a price is unknown.
    """

    diagnoses: Sequence[Diagnosis]
    calls: int
    nano_usd: int | None

    @property
    def is_well(self) -> bool:
        """Return whether nothing is broken."""
        return all(diagnosis.state != "broken" for diagnosis in self.diagnoses)


def as_json(examined: Examined) -> str:
    """Return the report as one JSON object."""
    usd = None if examined.nano_usd is None else examined.nano_usd / _NANO
    found = [asdict(diagnosis) for diagnosis in examined.diagnoses]
    return json.dumps({"ok": examined.is_well, "diagnoses": found, "calls": examined.calls, "cost_usd": usd}, indent=2)


def as_text(examined: Examined) -> str:
    """Return one line a diagnosis, its remedy below it, and the cost at the end."""
    return "\n".join([*_lines(examined.diagnoses), "", _sum(examined)])


def _lines(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    width = max((len(diagnosis.subject) for diagnosis in diagnoses), default=0)
    for diagnosis in diagnoses:
        took = "" if diagnosis.seconds is None else f" ({diagnosis.seconds:.1f} s)"
        yield f"{_MARKS[diagnosis.state]:<4}  {diagnosis.subject:<{width}}  {diagnosis.message}{took}"
        if diagnosis.do:
            yield f"{'':<4}  {'':<{width}}  → {diagnosis.do}"


def _sum(examined: Examined) -> str:
    broken = sum(diagnosis.state == "broken" for diagnosis in examined.diagnoses)
    cost = "of unknown price" if examined.nano_usd is None else f"for {usd(examined.nano_usd / _NANO)}"
    calls = f"{examined.calls} call{'' if examined.calls == 1 else 's'} {cost}"
    return f"{f'{broken} broken' if broken else 'nothing is broken'}; {calls}"
