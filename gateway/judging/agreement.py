"""Agreement of a judge with people: how far its verdicts can be believed, and what they say of the true rate.

Sources: Cohen, Educ. Psychol. Meas. 20 (1960), κ; Fleiss, Cohen & Everitt, Psychol. Bull. 72 (1969), its standard
error; Rogan & Gladen, Am. J. Epidemiol. 107 (1978), the adjusted rate; Lang & Reiczigel, Prev. Vet. Med. 113 (2014),
the interval of that rate.
"""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

LEAST_KAPPA: Final = 0.4  # below it agreement is "fair" at best: Landis & Koch, Biometrics 33 (1977)
MIN_LABELS: Final = 30
MIN_OF_EACH: Final = 5  # labels of calls that people found good, and of calls that they found bad
PASSES_AT: Final = 0.5  # the score (0…1) from which a person's label says that the call was good
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Labelled calls by what the judge and a person found: `judge_only` passed by the judge alone, `people_only` by the
    person alone. Of one agent and one judge digest.
    """

    both_pass: int = 0
    judge_only: int = 0
    people_only: int = 0
    both_fail: int = 0

    @property
    def labels(self) -> int:
        """Return the number of labelled calls."""
        return self.both_pass + self.judge_only + self.people_only + self.both_fail

    @property
    def people_pass(self) -> int:
        """Return the calls that people found good."""
        return self.both_pass + self.people_only

    @property
    def people_fail(self) -> int:
        """Return the calls that people found bad."""
        return self.judge_only + self.both_fail

    @property
    def has_enough(self) -> bool:
        """Return whether there are enough labels of both kinds to say anything."""
        return self.labels >= MIN_LABELS and min(self.people_pass, self.people_fail) >= MIN_OF_EACH

    @property
    def is_trusted(self) -> bool:
        """Return whether a guardrail may act on this judge."""
        kappa = self.kappa
        return self.has_enough and kappa is not None and kappa.value >= LEAST_KAPPA

    @property
    def kappa(self) -> Interval | None:
        """Return Cohen's κ; None where one of the two found the same of every call, so that chance explains it."""
        n = self.labels
        if not n:
            return None
        cells = [[self.both_pass / n, self.judge_only / n], [self.people_only / n, self.both_fail / n]]
        rows, columns = [sum(row) for row in cells], [sum(column) for column in zip(*cells, strict=True)]
        by_chance = sum(row * column for row, column in zip(rows, columns, strict=True))
        if by_chance >= 1 - 1e-12:
            return None
        kappa = (cells[0][0] + cells[1][1] - by_chance) / (1 - by_chance)
        agreeing = sum(cells[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in (0, 1))
        differing = sum(cells[i][1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in (0, 1))
        spread = agreeing + (1 - kappa) ** 2 * differing - (kappa - by_chance * (1 - kappa)) ** 2
        reach = _z() * math.sqrt(max(spread, 0.0) / n) / (1 - by_chance)
        return Interval(kappa, max(kappa - reach, -1.0), min(kappa + reach, 1.0))

    def with_label(self, *, judge_passes: bool, person_passes: bool) -> "Agreement":
        """Return the counts with one more labelled call."""
        counts = ("both_fail", "people_only"), ("judge_only", "both_pass")
        name = counts[judge_passes][person_passes]
        return replace(self, **{name: getattr(self, name) + 1})

    def adjusted_rate(self, passed: int, judged: int) -> Interval | None:
        """Return the share of calls that people would find good, by what the judge found of `judged` other calls.

        None where the judge says nothing: it passes bad calls as often as good ones, or there are no labels of a kind.
        """
        if not judged or not self.people_pass or not self.people_fail:
            return None
        sensitivity, specificity = self.both_pass / self.people_pass, self.both_fail / self.people_fail
        if sensitivity + specificity <= 1:
            return None
        value = (passed / judged + specificity - 1) / (sensitivity + specificity - 1)
        low, high = self._adjusted_interval(passed, judged)
        return Interval(_share(value), min(low, _share(value)), max(high, _share(value)))

    def _adjusted_interval(self, passed: int, judged: int) -> tuple[float, float]:
        """Return the interval of Lang and Reiczigel, which adds pseudo-counts to all three shares."""
        z = _z()
        n, n_se, n_sp = judged + z * z, self.people_pass + 2, self.people_fail + 2
        apparent, se, sp = (passed + z * z / 2) / n, (self.both_pass + 1) / n_se, (self.both_fail + 1) / n_sp
        youden = se + sp - 1
        if youden <= 0:
            return 0.0, 1.0
        rate = (apparent + sp - 1) / youden
        of_se, of_sp = se * (1 - se) / n_se, sp * (1 - sp) / n_sp
        shift = 2 * z * z * (rate * of_se - (1 - rate) * of_sp)
        spread = apparent * (1 - apparent) / n + rate * rate * of_se + (1 - rate) ** 2 * of_sp
        reach = z * math.sqrt(spread) / youden
        return _share(rate + shift - reach), _share(rate + shift + reach)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _z() -> float:
    return NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
