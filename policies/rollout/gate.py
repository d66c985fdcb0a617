"""The gate before a rollout: a canary gets calls once an evaluation of just its content is on record.

A record names the versions by their digests, so an edit of either voids it by itself. It gates the beginning of a
rollout alone: what is under way is judged by its calls.
"""

from dataclasses import dataclass

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation on record. `stable` is the digest of the version that it was compared with, '' for none.

    `suite` is the suite's file as the configuration names it; `margin` is the share of such cases on which the canary
    might be worse; `at` is in Unix seconds.
    """

    canary: str
    stable: str
    suite: str
    has_passed: bool
    sentence: str
    at: float
    margin: float = 0.05


@dataclass(frozen=True, slots=True)
class Gate:
    """Evaluation that an agent's canary needs, and the one on record for its name, if any.

    `max_age` is in seconds, `margin` the largest that it may have been held to; `mistake` says why the record cannot be
    read, or ''; `changed` names a file of the suite that has changed since, or ''.
    """

    agent: str
    suite: str
    max_age: float | None = None
    evaluated: Evaluated | None = None
    margin: float = 0.05
    mistake: str = ""
    changed: str = ""

    def refusal(self, stable: str, canary: str, version: str, now: float) -> str:
        """Return why the canary gets no calls, '' when it may. Versions are given by digest, the canary by name too."""
        found = self.evaluated
        if self.mistake:
            return f"the evaluation of {version} cannot be read: {self.mistake}"
        if found is None:
            return f"{version} has no evaluation on record{self._way(version)}"
        if found.canary != canary:
            return f"{version} has changed since its evaluation{self._way(version)}"
        if found.suite != self.suite:
            return f"{version} was evaluated with {found.suite}, not with {self.suite}{self._way(version)}"
        if self.changed:
            return f"the suite of {version} has changed since its evaluation ({self.changed}){self._way(version)}"
        if found.stable not in ("", stable):
            return f"{version} was compared with another stable version than this one{self._way(version)}"
        if not found.has_passed:
            return f"{version} has not passed its evaluation: {found.sentence}"
        if found.margin > self.margin:
            margins = f"{found.margin:.4g}, and {self.margin:.4g} is the most"
            return f"{version} was evaluated with a margin of {margins}{self._way(version)}"
        if found.at - now > _DAY:
            return f"the evaluation of {version} is dated in the future{self._way(version)}"
        if self.max_age is not None and now - found.at > self.max_age:
            days = f"{(now - found.at) / _DAY:.0f} days old, and {self.max_age / _DAY:g} are allowed"
            return f"the evaluation of {version} is {days}{self._way(version)}"
        return ""

    def _way(self, version: str) -> str:
        return f": run 'serinus eval {self.agent}@{version} --record' and commit what it writes"
