"""A model of `limits.lua` in Python, and replicas that crash, lose messages and settle over it."""

import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from gateway.limits.ledger import LeaseLedger, Limit
from gateway.limits.windows import Window
from gateway.store.limits import Grant


@dataclass
class ModelOfScript:
    """The script over a hash, with a clock that the test turns."""

    now: float = 1_000_000.0
    slices: dict[str, int] = field(default_factory=dict)

    def grant(self, given: dict[str, object]) -> Grant:
        """Do what the script does."""
        begins, ends, most, ask, least, charge = (
            cast(int, given.get(name, 0)) for name in ("begins", "ends", "limit", "ask", "least", "charge")
        )
        seconds, width, lease = (cast(float, given.get(name, 0)) for name in ("seconds", "slice", "lease"))
        now = self.now
        if ends and not begins <= now < ends:
            return Grant(0, "", 0, 0.0, now)
        own = str(begins if ends else math.floor(now / width))
        for id_, amount in cast(dict[str, int], given["back"]).items():
            self.slices[id_] = max(0, self.slices.get(id_, 0) - amount)
        self.slices[own] = self.slices.get(own, 0) + charge

        def leaves(id_: str) -> float:
            if ends:
                return ends if id_ == own else 0
            return (int(id_) + 1) * width + seconds + lease

        self.slices = {id_: amount for id_, amount in self.slices.items() if leaves(id_) > now and amount}
        total = sum(self.slices.values())
        rest = max(0, most - total)
        granted = min(rest, max(least, min(ask, rest // 20)))
        frees, left = 0.0, most - total
        if least > rest:
            frees = -1.0
            for id_ in sorted(self.slices, key=leaves):
                left += self.slices[id_]
                if left >= least:
                    frees = leaves(id_) - now
                    break
        if granted:
            self.slices[own] = self.slices.get(own, 0) + granted
        return Grant(granted, own, total + granted, frees, now)


@dataclass
class Crew:
    """Replicas of one limit over the model. `spent` are admissions: when, and how much."""

    limit: Limit
    rng: random.Random
    size: int = 8
    store: ModelOfScript = field(default_factory=ModelOfScript)
    ledgers: list[LeaseLedger] = field(default_factory=list)
    open: list[tuple[int, int, str, list[float]]] = field(default_factory=list)
    spent: deque[list[float]] = field(default_factory=deque)
    sum: int = 0
    admitted: int = 0
    worst: int = 0

    def __post_init__(self) -> None:
        self.ledgers = [LeaseLedger(self.limit) for _ in range(self.size)]

    def step(self) -> None:
        """Let one thing happen."""
        chance, index = self.rng.random(), self.rng.randrange(self.size)
        if chance < 0.45:
            self._call(index)
        elif chance < 0.55:
            self._settle()
        elif chance < 0.94:
            self._ask(index)
        elif chance < 0.945:
            self.ledgers[index] = LeaseLedger(self.limit)  # it dies, with whatever it had
            self.open = [each for each in self.open if each[0] != index]
        else:
            self.store.now += self.rng.expovariate(1) * self.limit.window.lease

    def _call(self, index: int) -> None:
        amount, ledger = self.rng.randint(1, max(1, self.limit.amount // 10)), self.ledgers[index]
        if not ledger.reserve(amount, self.store.now):
            ledger.waiting = amount
            return
        ledger.waiting = 0
        entry = [self.store.now, amount]
        self.spent.append(entry)
        self.open.append((index, amount, ledger.slice, entry))
        self.sum += amount
        self.admitted += 1
        while self.spent and self.spent[0][0] <= self.store.now - self.limit.window.seconds:
            self.sum -= int(self.spent.popleft()[1])
        self.worst = max(self.worst, self.sum)

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
            return
        reply = self.store.grant(self.limit.message(question, None))
        if fate < 0.04:  # its reply is lost
            ledger.lose(question)
        else:
            self.store.now += self.rng.random() * 0.1
            ledger.take(reply, now)


def main(runs: int = 100_000, steps: int = 300) -> None:
    """Make many interleavings, and print the fullest window as a share of its limit."""
    limit, worst = Limit("key", "app", "usd", Window("24h", 86_400.0), 20_000_000_000), 0
    for seed in range(runs):
        crew = Crew(limit, random.Random(seed))
        for _ in range(steps):
            crew.step()
        worst = max(worst, crew.worst)
    print(f"{runs} interleavings of {crew.size} replicas: the fullest window holds {worst / limit.amount:.4f}")


if __name__ == "__main__":
    main()
