"""From many rollouts to a line of a table: counts, exact bounds, medians. Counts are kept as JSON, a file a world."""

import hashlib
import json
import math
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.calibration.rollout import Ended
from bench.calibration.scenario import Scenario

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "bench" / "results" / "calibration"
CONFIDENCE = 0.95
FALSE_BAR = 0.01  # of blameless canaries
# What decides between versions, and what plays it: pages, formats and the like change no count.
_SOURCES = ("policies", "routing", "gateway/call", "gateway/rollout", "gateway/store", "bench/calibration")
DIRTY = "-dirty"  # ends the name of a commit that does not have the code that was measured
_MOST_LISTED = 5


@dataclass(slots=True)
class Tallied:
    """What the rollouts with the seeds from 0 to `runs` - 1 of one world came to, under one state of the code.

    `code` is the digest of that state and `commit` a commit that has it, or the one that was changed. `gone` lists
    seed, the canary's calls and the calls of its decision for each that was rolled back, `reasons` why a few of them
    were. `suspect` counts e-values of 10 and more, `seconds` adds up what the rollouts took of the CPU.
    """

    name: str
    code: str
    commit: str = ""
    runs: int = 0
    gone: list[tuple[int, int, int]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    suspect: int = 0
    highest: float = 1.0
    seconds: float = 0.0

    def add(self, ended: Ended, seconds: float) -> None:
        """Count the next rollout."""
        self.runs += 1
        self.seconds = round(self.seconds + seconds, 2)
        self.suspect += ended.e_value >= 10 or ended.rolled_back
        self.highest = max(self.highest, ended.e_value)
        if ended.rolled_back:
            self.gone.append((ended.seed, ended.calls, ended.decided_by))
            if len(self.reasons) < _MOST_LISTED:
                self.reasons.append(ended.reason)

    def reached(self, share: float) -> int | None:
        """The canary calls that decided within which that share of all rollouts was rolled back; None for never."""
        took = sorted(decided for *_, decided in self.gone)
        rank = math.ceil(share * self.runs)
        return took[rank - 1] if 0 < rank <= len(took) else None

    def keep(self, folder: Path = RESULTS) -> None:
        """Write the file of this world."""
        folder.mkdir(parents=True, exist_ok=True)
        path = _path(self.name, folder)
        path.with_suffix(".new").write_text(json.dumps(asdict(self), ensure_ascii=False) + "\n")
        path.with_suffix(".new").rename(path)


def kept(name: str, folder: Path = RESULTS) -> Tallied | None:
    """What was kept of that world, None where nothing was."""
    path = _path(name, folder)
    return Tallied(**json.loads(path.read_text())) if path.exists() else None


def code_digest() -> str:
    """A digest of the code that decides and simulates: results of different code are never added up."""
    digest = hashlib.blake2b(digest_size=8)
    for source in _SOURCES:
        for path in sorted((ROOT / source).rglob("*")):
            if path.suffix in (".py", ".lua") and "rehearsal" not in path.parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()


def commit(root: Path = ROOT) -> str:
    """Return the commit of the checkout, marked where the code differs from it; '' outside of a checkout."""
    if not (found := _git(root, "rev-parse", "--short", "HEAD")):
        return ""
    return found + DIRTY if _git(root, "status", "--porcelain", "--", *_SOURCES) else found


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True).stdout.strip()


def upper_bound(count: int, runs: int, confidence: float = CONFIDENCE) -> float:
    """The exact (Clopper-Pearson) upper bound of a share, of which `count` in `runs` were seen: one-sided."""
    if count >= runs:
        return 1.0
    low, high = count / runs, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, runs, middle) > 1 - confidence else (low, middle)
    return high


def _at_most(count: int, runs: int, share: float) -> float:
    """The chance that at most so many of the runs hit, each with that probability, neither 0 nor 1."""
    logs = (
        math.lgamma(runs + 1) - math.lgamma(hits + 1) - math.lgamma(runs - hits + 1)
        + hits * math.log(share) + (runs - hits) * math.log1p(-share)
        for hits in range(count + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def row(scenario: Scenario, tallied: Tallied) -> str:
    """The world's line of the table."""
    if scenario.must_go:
        missed = tallied.runs - len(tallied.gone)
        took = [_figure(tallied.reached(share)) for share in (0.5, 0.95)]
        bar = _figure(scenario.bar) if scenario.bar else "none set"
        weight = scenario.weight.replace("%", " %")
        return f"| {scenario.name} | {weight} | {tallied.runs:,} | {missed} | {' | '.join(took)} | {bar} |"
    count = len(tallied.gone)
    bound = upper_bound(count, tallied.runs) if tallied.runs else 1.0
    return (
        f"| {scenario.name} | {scenario.weight.replace('%', ' %')} | {scenario.calls:,} | {tallied.runs:,} | {count} | "
        f"{bound:.2%} | {tallied.highest:.3g} |"
    )


def table(found: Iterable[tuple[Scenario, Tallied]]) -> list[str]:
    """Both tables, of blameless canaries and of bad ones, and the commits whose code was measured."""
    pairs = list(found)
    commits = Counter(tallied.commit or "unknown" for _, tallied in pairs)
    blameless = [row(*pair) for pair in pairs if not pair[0].must_go]
    bad = [row(*pair) for pair in pairs if pair[0].must_go]
    return [
        "| blameless | weight | canary calls | rollouts | rolled back | at most (95 %) | highest E |",
        "|---|---|---|---|---|---|---|",
        *blameless,
        "",
        "| bad | weight | rollouts | missed | median | 95 of 100 | bar |",
        "|---|---|---|---|---|---|---|",
        *bad,
        "",
        "Worlds by the commit whose code was measured: "
        + ", ".join(f"{name} ({count})" for name, count in commits.most_common())
        + ".",
    ]


def misses(scenario: Scenario, tallied: Tallied) -> bool:
    """Whether a world is beyond its bar: too many blameless canaries rolled back, or a bad one found too late."""
    if not scenario.must_go:
        return len(tallied.gone) > FALSE_BAR * tallied.runs
    late = tallied.reached(0.95)
    return late is None or (scenario.bar is not None and late > scenario.bar)


def _path(name: str, folder: Path) -> Path:
    return folder / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.json"


def _figure(value: int | None) -> str:
    return "not found" if value is None else f"{value:,}"


def chosen(scenarios: Iterable[Scenario], wanted: Sequence[str]) -> list[Scenario]:
    """The worlds that are named; a name that no world has stands for those that contain it. All without names."""
    everything = list(scenarios)
    names = {each.name for each in everything}

    def is_wanted(name: str) -> bool:
        return any(name == part if part in names else part in name for part in wanted)

    return [each for each in everything if not wanted or is_wanted(each.name)]
