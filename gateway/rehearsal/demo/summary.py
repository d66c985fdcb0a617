"""Summary at the end: the rollback in numbers, the check marks, and where to look further."""

from collections.abc import Iterator, Sequence

from gateway.number_words import usd
from gateway.rehearsal.demo.checks import Check, StoryFacts
from gateway.rehearsal.demo.files import AGENT, CANARY, STABLE
from gateway.rehearsal.demo.ledger import Ledger

KEPT, BROKEN = "✔", "✘"


def figures(facts: StoryFacts, ledger: Ledger) -> list[tuple[str, str]]:
    """The rollback in a few rows, each a label and its text; none when there was no rollback."""
    if facts.rolled_back_at is None:
        return []
    seen = facts.evidence
    canary = f"{seen.get('canary_failing')} failing conversations among {seen.get('canary_requests')} canary requests"
    stable = f"{seen.get('stable_failing')} among {seen.get('stable_requests')} of stable's"
    rescued = f"{ledger.rescued} calls failed at first, and a retry or the fallback answered"
    return [
        ("reason", facts.reason),
        ("evidence", f"{canary}, {stable}; in the audit trail, to be computed again"),
        ("requests", f"{_or(facts.canary_requests)} of the canary's from the break to the rollback"),
        ("time", f"{_seconds(facts.detection_seconds)} from the first failure to the rollback"),
        ("propagation", f"{_seconds(facts.propagation_seconds)} until the last replica had turned"),
        ("clients", f"{ledger.errors} errors in {ledger.total:,} calls; {rescued}"),
        ("cost", _costs(facts)),
    ]


def marks(checks: Sequence[Check]) -> list[tuple[str, str, str]]:
    """Return one row for each promise: the mark, the promise, the numbers."""
    return [(KEPT if check.kept else BROKEN, check.title, check.detail) for check in checks]


def verdict(checks: Sequence[Check]) -> str:
    """Return the verdict on all checks, as one line."""
    missing = [check.title for check in checks if not check.kept]
    if not missing:
        return f"All {len(checks)} promises were kept."
    return f"{len(missing)} of {len(checks)} promises were not kept: {'; '.join(missing)}."


def live_page(root_url: str) -> str:
    """Return the address of the agent's page, which shows the rollback as it happens."""
    return f"{root_url}/status/{AGENT}"


def where_to_look(root_urls: Sequence[str], command: str, token: str) -> Iterator[str]:
    """The status pages and the commands to type in another terminal."""
    for url in root_urls:
        yield f"{url}/status"
    yield f"{command} status --url {root_urls[0]}"
    yield f"SERINUS_ADMIN_TOKEN={token} {command} audit {AGENT} --url {root_urls[1]}"


def _costs(facts: StoryFacts) -> str:
    parts = []
    for version in (STABLE, CANARY):
        sums = facts.sums.get(version)
        if sums and sums.cost_usd is not None and sums.cost_per_request_usd is not None:
            parts.append(f"{version} {usd(sums.cost_usd)} ({usd(sums.cost_per_request_usd)} a request)")
    return ", ".join(parts) or "unknown"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _or(value: int | None) -> str:
    return "unknown" if value is None else str(value)
