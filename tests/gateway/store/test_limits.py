"""The script of limits over real servers."""

import random

import pytest

from gateway.limits.ledger import LeaseLedger, Limit
from gateway.limits.windows import Window
from gateway.store import RedisStore
from gateway.store.limits import key_of_limit
from tests.gateway.store.conftest import NewStore
from tests.support.limit_model import ModelOfScript

HOUR = Limit("key", "app", "usd", Window("1h", 3600.0), 20_000_000_000)


def _limit(name: str, amount: int = 100, window: Window = HOUR.window) -> Limit:
    return Limit("key", name, "usd", window, amount)


def _wanting(limit: Limit, number: int, *wants: int) -> dict[str, object]:
    """The question of that number, of a replica whose calls want these amounts, and no lease ahead."""
    asked = LeaseLedger(limit).question(0.0)
    return limit.message(asked._replace(ask=0, wants=[*wants], number=number), None)


async def test_the_script_does_what_its_model_does(store: RedisStore) -> None:
    """Random questions have the same answers from the script and from the model that the property test goes by."""
    model, rng = ModelOfScript(), random.Random(7)
    limit = _limit(f"model-{rng.random()}", 10**12)
    slices = ["0"]
    for number in range(1, 151):
        back = {rng.choice(slices): rng.randint(0, 10**10)} if rng.random() < 0.3 else {}
        question: dict[str, object] = {
            "limit": limit.amount, "seconds": 3600.0, "slice": 60.0, "lease": 30.0,
            "ask": rng.randint(0, 10**11), "wants": [rng.randint(1, 10**11) for _ in range(rng.randrange(4))],
            "back": back, "charge": rng.choice([0, rng.randint(0, 10**9)]), "number": number - rng.choice([0, 0, 0, 2]),
            "again": {rng.choice(["", *slices]): rng.randint(-(10**9), 10**9)} if rng.random() < 0.1 else {},
        }  # fmt: skip
        said = await store.grant(limit.id, question)
        model.now = said.now
        expected = model.grant(question)
        assert said._replace(frees_in=0) == expected._replace(frees_in=0)
        assert said.frees_in == pytest.approx(expected.frees_in, abs=0.01)
        slices = [*slices, said.slice or "0"][-3:]


async def test_replicas_together_get_no_more_than_the_limit(new_store: NewStore) -> None:
    """Two replicas that ask for all they can get hold the limit together, and not a unit more."""
    stores, limit, granted = [new_store(), new_store()], _limit("together"), 0
    for turn in range(100):
        granted += (await stores[turn % 2].grant(limit.id, _wanting(limit, turn + 1, 7, 1))).granted
    assert granted == limit.amount


async def test_a_refusal_says_when_enough_is_free(store: RedisStore) -> None:
    """What was granted now leaves the window after its slice, the window and a lease; what is too much, never."""
    limit = _limit("frees")
    assert (await store.grant(limit.id, _wanting(limit, 1, 100))).frees_in == 0
    later = await store.grant(limit.id, _wanting(limit, 2, 100))
    assert later.granted == 0
    assert 3600 < later.frees_in <= 3600 + 60 + 30 + 1
    assert (await store.grant(limit.id, _wanting(limit, 3, 101))).frees_in == -1


async def test_a_calendar_window_ends_by_the_stores_clock(store: RedisStore) -> None:
    """A replica whose clock has another period is told the store's time, and nothing is granted."""
    limit = _limit("calendar", window=Window("day", calendar="day"))
    asked = LeaseLedger(limit).question(0.0)._replace(ask=0, wants=[100])
    early = await store.grant(limit.id, limit.message(asked, (0, 100)))
    assert (early.granted, early.slice) == (0, "")
    period = limit.window.period(early.now)
    assert (await store.grant(limit.id, limit.message(asked, period))).granted == 100
    told = await store.grant(limit.id, limit.message(asked._replace(number=2), period))
    assert period is not None
    assert told.frees_in == pytest.approx(period[1] - told.now, abs=0.01)


async def test_names_of_clients_are_no_part_of_a_key() -> None:
    """A user's name may hold anything; a key has its digest, and one hash tag."""
    key = key_of_limit(("user", "a}b{c\n" * 100, "usd", "24h"))
    assert (key.count("{"), key.count("}"), len(key) < 100) == (1, 1, True)
