"""The operations that the rest of the gateway needs of the shared state, and their results.

Every method is one or two round trips and raises `StoreAway` when the store cannot be reached in time; nothing else.
What it sent may still be carried out then: repeat a flush as it was, and read before deciding again. `StoreRefused`
says that nothing was done. No call of a client ever waits for one of them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.store.alerts import AlertSeam
from gateway.store.cells import Cells
from gateway.store.content_seam import ContentStore
from gateway.store.failures import FailureReasons, ReasonsByVersion
from gateway.store.handover_seam import HandoverSeam
from gateway.store.history_seam import HistoryStore
from gateway.store.intervals import RecentCells
from gateway.store.key_uses import KeyUseSeam
from gateway.store.limit_seam import LimitSeam
from gateway.store.review_seam import ReviewStore
from gateway.store.server_faults import RiskSeam
from gateway.store.trace_seam import TraceStore
from gateway.store.verdict_seam import VerdictStore
from policies.evidence.evidence import ArmEvidence
from policies.evidence.tally import Tally
from policies.rollout.rollout import Decision
from policies.rollout.state import State

MAX_FAILING_UNITS = 20_000  # a set of failing units stops growing here, on every arm and epoch
MAX_UNITS = 64  # the canary's units are counted as far as this; a step asks for no more than thirty


@dataclass(slots=True)
class SampleSums:
    """Sums of one scaled metric (cost, tokens): integers, so that they merge exactly.

    `bins` maps a bin of the unit's hash to [Σx, n]; a party's part has none.
    """

    n: int = 0
    total: int = 0
    squares: int = 0
    bins: dict[int, list[int]] = field(default_factory=dict)

    def add(self, value: int, bin_index: int | None = None) -> None:
        """Add one call's value, which falls into that bin."""
        self.n += 1
        self.total += value
        self.squares += value * value
        if bin_index is None:
            return
        held = self.bins.get(bin_index)
        if held is None:
            self.bins[bin_index] = [value, 1]
        else:
            held[0] += value
            held[1] += 1


@dataclass(slots=True)
class UnitTurns:
    """The calls of one unit: how many, whether its first one is among them, and whether one was lost to a failure."""

    calls: int = 0
    begins: bool = False
    is_lost: bool = False


@dataclass(slots=True)
class Arm:
    """Sums of one arm since the last flush: its judged, split-assigned calls. `uncounted` are calls that are no
    evidence, but show that the arm is served; `left_out` counts the held ones of them, and bad later turns that the
    first bad one of their conversation stands for.

    `bad` maps a component (`policies.guardrails.guardrails`) to the badness in millionths of each unit that was bad;
    `units` are ids of units seen, only as many as promotion asks for. `party_of` names the party of each bad unit
    (`gateway.rollout.parties`), `requests_of` counts its judged calls, `samples` has its part beside the whole.
    `checks` counts, by component and party ('' for none), the calls that absolute limits checked and found good.
    `turns` are the calls of each unit, where a guardrail or signal watches them.
    """

    requests: int = 0
    errors: int = 0
    units: set[str] = field(default_factory=set)
    bad: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: dict[str, SampleSums] = field(default_factory=dict)
    uncounted: int = 0
    left_out: int = 0
    party_of: dict[str, str] = field(default_factory=dict)
    requests_of: dict[str, int] = field(default_factory=dict)
    checks: dict[tuple[str, str], int] = field(default_factory=dict)
    turns: dict[str, UnitTurns] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """Counts of one agent, gathered in memory for one rollout and one evidence epoch.

    `parties` are those that called. The tallies in `cells` are keyed by what the status page shows apart:
    a version's name, or `<version>/apart` for its pinned and rule-matched calls. `earlier` holds both arms, stable
    first, of the units that began in an earlier step, by its evidence epoch.
    """

    rollout: int
    evidence: int
    cells: Cells = field(default_factory=Cells)
    stable: Arm = field(default_factory=Arm)
    canary: Arm = field(default_factory=Arm)
    parties: set[str] = field(default_factory=set)
    earlier: dict[int, tuple[Arm, Arm]] = field(default_factory=dict)
    reasons: FailureReasons = field(default_factory=FailureReasons)

    @property
    def tallies(self) -> dict[str, Tally]:
        """The sums over the batch's time, by tally key."""
        return self.cells.by_key()


@dataclass(frozen=True, slots=True)
class Sides:
    """Both arms of one evidence epoch over all replicas; its age in minutes, and seconds since stable's last call.

    `callers` and `users` were seen within the last hour, `observed_seconds` is since when they have been watched.
    """

    stable: ArmEvidence = field(default_factory=ArmEvidence)
    canary: ArmEvidence = field(default_factory=ArmEvidence)
    minute: int = 0
    control_unseen_seconds: float = 0.0
    callers: int = 0
    users: int = 0
    observed_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FlushReply:
    """The record's epoch now (0: there is no record), both sides of the batch's evidence epoch, the store's clock.

    `sides` is None unless there may be something to decide: the batch held a failed call of the canary, or a unit of it
    that is bad for the first time. A batch that was applied before is answered as if it were news.
    """

    epoch: int
    sides: Sides | None
    now: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An agent's record, its evidence, and its tallies of the rollout; `now` is the store's clock in Unix seconds.

    `recent` is what was counted in the last hour, whatever the rollout; `reviews` calls wait for people.
    """

    state: State | None
    sides: Sides
    tallies: Mapping[str, Tally]
    now: float
    recent: RecentCells = field(default_factory=RecentCells)
    reasons: ReasonsByVersion = field(default_factory=dict)
    reviews: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a commit: `won`, or lost to another change. `state` is the record now."""

    won: bool
    state: State | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of an agent's record that somebody outside is still to hear of. `event` is its audit event.

    `key` is the same whenever and by whomever it is delivered, so that the receiver can drop a second copy.
    """

    agent: str
    id: str
    key: str
    event: Mapping[str, Any]


class Store(
    AlertSeam, ContentStore, HandoverSeam, HistoryStore, KeyUseSeam, LimitSeam, ReviewStore, RiskSeam, TraceStore,
    VerdictStore, Protocol,
):  # fmt: skip
    """The shared state. One implementation: Redis, embedded or remote."""

    async def read(self, agent: str) -> tuple[State | None, float]:
        """The agent's record, or None, and the store's clock in Unix seconds."""

    async def snapshot(self, agent: str) -> Snapshot:
        """Return everything that the status endpoint shows of one agent."""

    async def failure_reasons(self, agent: str, rollout: int) -> ReasonsByVersion:
        """Return why calls of a rollout failed, by version, the most frequent reasons first."""

    async def epochs(self, agents: Sequence[str]) -> dict[str, int]:
        """The epoch of each agent's record, 0 where there is none."""

    async def flush(self, agent: str, sequence: int, batch: Batch) -> FlushReply:
        """Apply the batch exactly once: a sequence of this replica that was applied already changes nothing.

        So a batch that may have been sent must not grow; later counts belong to the next sequence.
        """

    async def commit(self, agent: str, decision: Decision, config_digest: str) -> Committed:
        """Compare the epoch, write the decision's state, append the audit event, tell every replica: all or nothing."""

    async def audit(self, agent: str, count: int) -> list[dict[str, Any]]:
        """The agent's latest audit events, newest first."""

    def audit_all(self, agent: str) -> AsyncIterator[dict[str, Any]]:
        """Return all audit events of the agent, oldest first, for `audit_chain.verify`; they are kept for ever."""

    async def claim_notices(self, agents: Sequence[str], idle_ms: int, count: int) -> list[Notice]:
        """Claim notices for this replica to deliver, at most `count` an agent and kind: those that nobody has taken,
        and those that somebody, perhaps this replica, took `idle_ms` ago or longer and has not delivered.

        Nobody else gets them for `idle_ms` from now on: choose more than a delivery takes.
        """

    async def mark_delivered(self, notice: Notice) -> None:
        """Note that the notice has arrived: nobody delivers it any more."""

    async def pending_notices(self, agents: Sequence[str]) -> int:
        """Count the notices of these agents that were taken for delivery and have not arrived."""

    async def load_receivers(self, agent: str, key: str) -> frozenset[str]:
        """Return the receivers that have the notice of that key."""

    async def add_receiver(self, agent: str, key: str, receiver: str) -> None:
        """Remember for some months that the receiver has the notice of that key."""

    async def first_feedback(self, agent: str, name: str, mark: str = "1", *, may_repeat: bool = False) -> bool:
        """Return whether this call or conversation is scored for the first time; the store remembers it for a week.

        `mark` stands for the score. With `may_repeat` the first score with that mark is the first one again.
        """

    async def feedback_marks(self, agent: str, names: Sequence[str]) -> dict[str, str]:
        """Return the marks of the scores that these calls or conversations have."""

    async def remember(self, agent: str, calls: Mapping[tuple[str, str], str]) -> None:
        """Remember which call answered a conversation last. `calls` maps a caller and its conversation to a call's id.

        Only the latest conversations of each caller are kept, and none longer than a week.
        """

    async def last_call(self, agent: str, caller: str, conversation: str) -> str | None:
        """The id of the call that answered this caller's conversation last, None where none is remembered."""

    async def lease(self, agent: str, seconds: float) -> bool:
        """Return whether this replica holds the agent's lease for that time; a free lease is taken.

        It saves work and promises nothing: a holder that was held up may find that another one holds it, too.
        """

    async def spend(self, agent: str, day: str, nano_usd: int) -> int:
        """Add to what the agent's copies have cost on a day, over all replicas; the sum, in nano-USD.

        Not applied exactly once: a sum whose reply was lost and that is added again makes the day look dearer.
        """

    async def tell(self, messages: Sequence[str], since: float) -> None:
        """Tell the other replicas; what was told before `since` in Unix seconds is forgotten."""

    async def read_messages(self, after: str, wait: bool) -> tuple[str, list[tuple[str, str]]]:
        """Return the last place read, and what other replicas have told after a place (`<milliseconds>-<number>`).

        Each message comes with the name of its replica.

        With `wait` it is waited for, about half a second at most; then the list is empty.
        """

    async def has_message(self, place: str) -> bool:
        """Return whether what was told at that place is still there."""

    async def keep_items(self, items: Mapping[str, str], seconds: int) -> None:
        """Keep texts by their names for that long; every replica finds them."""

    async def find_items(self, names: Sequence[str]) -> dict[str, str]:
        """Return the texts that are kept under these names, by name."""

    def turns(self) -> AsyncIterator[str]:
        """The names of agents whose record has changed, as the store announces them. A hint, not a promise."""

    async def share_key(self, proposed: bytes) -> bytes:
        """The fingerprint key of all replicas: the one that is there, else `proposed`, which is there from now on."""

    async def ping(self) -> None:
        """Check that the store answers. Raises StoreAway."""

    async def probe(self, agent: str) -> None:
        """Check that the store takes every kind of write that an agent's record and counts need. Raises StoreAway."""

    async def aclose(self) -> None: ...
