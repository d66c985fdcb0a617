"""A model of `limits.lua` in Python, and replicas that crash, lose messages and settle over it.

`python -m tests.support.limit_model [RUNS] [--failovers]` makes many random interleavings.
"""

import argparse
import math
import random
from collections import deque
from dataclasses import dataclass, field, replace
from typing import cast

from gateway.limits.ledger import FULL, UNKNOWN, LeaseLedger, Limit
from gateway.limits.windows import Window
from gateway.store.limits import Grant

_SILENT = 120
_LOST_STEPS = 20  # a failover loses as many at most


@dataclass
class ModelOfScript:
    """The script over a hash, with a clock that the test turns."""

    now: float = 1_000_000.0
    slices: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, tuple[int, float]] = field(default_factory=dict)  # by replica: of its last question, and when
    granted: int = 0  # and told again: what a failover loses is known by it

    def grant(self, given: dict[str, object], replica: str = "") -> Grant:
        """Do what the script does."""
        begins, ends, most, ask, charge, number = (
            cast(int, given.get(name, 0)) for name in ("begins", "ends", "limit", "ask", "charge", "number")
        )
        seconds, width, lease = (cast(float, given.get(name, 0)) for name in ("seconds", "slice", "lease"))
        now, had = self.now, self.numbers.get(replica, (0, 0.0))[0]
        if (ends and not begins <= now < ends) or number <= had:
            return Grant(0, "", 0, 0.0, now, had)
        own = str(begins if ends else math.floor(now / width))
        for id_, amount in cast(dict[str, int], given["again"]).items():
            self._add(id_ or own, amount)
            self.granted += max(0, amount)
        for id_, amount in cast(dict[str, int], given["back"]).items():
            self._add(id_, -amount)
        self._add(own, charge)

        def leaves(id_: str) -> float:
            if ends:
                return ends if id_ == own else 0
            return (int(id_) + 1) * width + seconds + lease

        self.numbers = {name: each for name, each in self.numbers.items() if each[1] >= now - _SILENT}
        self.numbers[replica] = number, now
        self.slices = {id_: amount for id_, amount in self.slices.items() if leaves(id_) > now and amount}
        total = sum(self.slices.values())
        rest = max(0, most - total)
        granted, missed = 0, 0
        for want in cast(list[int], given["wants"]):
            if want <= rest - granted:
                granted += want
            else:
                missed = missed or want
        granted += min(ask, (rest - granted) // 20)
        self._add(own, granted)
        self.granted += granted
        frees, left = -1.0 if missed else 0.0, most - total - granted
        for id_ in sorted(self.slices, key=leaves) if missed else ():
            left += self.slices[id_]
            if left >= missed:
                frees = leaves(id_) - now
                break
        return Grant(granted, own, total + granted, frees, now, had)

    def _add(self, slice_: str, amount: int) -> None:
        self.slices[slice_] = max(0, self.slices.get(slice_, 0) + amount)


@dataclass
class Caller:
    """A call of one replica that waits for a lease: it is admitted as soon as it is told a slice."""

    crew: "Crew"
    index: int
    amount: int
    is_waiting: bool = True

    def tell(self, slice_: str) -> None:
        """Go on."""
        self.is_waiting = False
        if slice_ not in (FULL, UNKNOWN):
            self.crew.admit(self.index, self.amount, slice_)


@dataclass
class Crew:
    """Replicas of one limit over the model. `spent` are admissions: when, and how much. With `failovers` the store
    loses what it did last, now and then; `lost` is what it had granted meanwhile."""

    limit: Limit
    rng: random.Random
    size: int = 8
    failovers: bool = False
    store: ModelOfScript = field(default_factory=ModelOfScript)
    ledgers: list[LeaseLedger] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    open: list[tuple[int, int, str, list[float]]] = field(default_factory=list)
    spent: deque[list[float]] = field(default_factory=deque)
    sum: int = 0
    admitted: int = 0
    worst: int = 0
    lost: int = 0

    def __post_init__(self) -> None:
        self.ledgers = [LeaseLedger(self.limit) for _ in range(self.size)]
        self.names = [str(index) for index in range(self.size)]
        self._states = deque[ModelOfScript](maxlen=_LOST_STEPS)

    def step(self) -> None:
        """Let one thing happen."""
        chance, index = self.rng.random(), self.rng.randrange(self.size)
        if self.failovers:
            store = self.store
            self._states.append(replace(store, slices=dict(store.slices), numbers=dict(store.numbers)))
        if chance < 0.45:
            self._call(index)
        elif chance < 0.55:
            self._settle()
        elif chance < 0.94:
            self._ask(index)
        elif chance < 0.945:
            self._crash(index)
        elif chance < 0.95 and self.failovers:
            self._fail_over()
        else:
            self.store.now += self.rng.expovariate(1) * self.limit.window.lease

    def admit(self, index: int, amount: int, slice_: str) -> None:
        """Count a call that has its lease."""
        entry = [self.store.now, amount]
        self.spent.append(entry)
        self.open.append((index, amount, slice_, entry))
        self.sum += amount
        self.admitted += 1
        while self.spent and self.spent[0][0] <= self.store.now - self.limit.window.seconds:
            self.sum -= int(self.spent.popleft()[1])
        self.worst = max(self.worst, self.sum)

    def _call(self, index: int) -> None:
        amount, ledger = self.rng.randint(1, max(1, self.limit.amount // 10)), self.ledgers[index]
        if ledger.reserve(amount, self.store.now):
            self.admit(index, amount, ledger.slice)
        else:
            ledger.waiters.append(Caller(self, index, amount))

    def _settle(self) -> None:
        if not self.open:
            return
        index, held, slice_, entry = self.open.pop(self.rng.randrange(len(self.open)))
        actual = held if self.rng.random() < 0.5 else self.rng.randint(0, held)
        self.ledgers[index].settle(held, slice_, actual, self.store.now)
        if self.spent and entry[0] >= self.spent[0][0]:
            self.sum -= held - actual
        entry[1] = actual

    def _ask(self, index: int) -> None:
        ledger, now = self.ledgers[index], self.store.now
        question = ledger.question(now)
        fate = self.rng.random()
        if fate < 0.02:  # it never arrives
            ledger.lose(question)
            ledger.dismiss()
            return
        reply = self.store.grant(self.limit.message(question, None), self.names[index])
        if fate < 0.04:  # its reply is lost
            ledger.lose(question)
            ledger.dismiss()
        else:
            self.store.now += self.rng.random() * 0.1
            ledger.take(reply, now, question)
            ledger.serve(self.store.now)

    def _crash(self, index: int) -> None:
        """A replica dies, with whatever it had, and another one takes its place."""
        self.ledgers[index] = LeaseLedger(self.limit)
        self.names[index] = f"{index}/{self.rng.random()}"
        self.open = [each for each in self.open if each[0] != index]

    def _fail_over(self) -> None:
        """The store forgets what it did last. Everybody sees the connections break."""
        old = self.rng.choice(self._states) if self._states else self.store
        self.lost += self.store.granted - old.granted
        self.store = replace(old, now=self.store.now)
        self._states.clear()
        for ledger in self.ledgers:
            ledger.is_doubtful = True


def main() -> None:
    """Make many interleavings, and print the fullest window as a share of its limit."""
    parser = argparse.ArgumentParser("python -m tests.support.limit_model", description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=100_000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--failovers", action="store_true", help="let the store lose what it did last, now and then")
    given = parser.parse_args()
    limit, worst, beyond = Limit("key", "app", "usd", Window("24h", 86_400.0), 20_000_000_000), 0, -math.inf
    for seed in range(given.runs):
        crew = Crew(limit, random.Random(seed), failovers=given.failovers)
        for _ in range(given.steps):
            crew.step()
        worst, beyond = max(worst, crew.worst), max(beyond, crew.worst - limit.amount - crew.lost)
    print(
        f"{given.runs} interleavings of 8 replicas: the fullest window holds {worst / limit.amount:.4f} of the limit; "
        f"beside what failovers lost, {beyond / limit.amount:+.4f} beyond it"
    )


if __name__ == "__main__":
    main()
