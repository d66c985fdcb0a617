"""Alerts are told once over all replicas: when they begin, and when nobody sees them any more."""

import asyncio

from gateway.store import RedisStore
from tests.gateway.store.conftest import NewStore


async def test_one_replica_tells(new_store: NewStore, agent: str) -> None:
    """Whoever notes an alert first tells of it; no other does, and not again."""
    one, two = new_store(), new_store()
    alert = (f"provider_down:{agent}", "said")
    noted = await asyncio.gather(*[each.settle_alerts([alert], 60, 60) for each in (one, two, one, two)])
    (change,) = [change for changes in noted for change in changes if change.id == alert[0]]
    assert (change.change, change.times, change.said) == ("firing", 1, "said") and change.since > 1.7e9


async def test_it_is_over_once_nobody_sees_it(new_store: NewStore, agent: str) -> None:
    """One replica may still see what another one does not; the end is told once, too."""
    one, two = new_store(), new_store()
    alert = (f"provider_down:{agent}", "said")

    async def settle(store: RedisStore, *firing: tuple[str, str], hold: float) -> list[str]:
        return [each.change for each in await store.settle_alerts(firing, 60, hold) if each.id == alert[0]]

    assert await settle(one, alert, hold=30) == ["firing"]
    assert await settle(two, hold=30) == []
    await asyncio.sleep(0.06)
    assert await settle(two, hold=0.05) == ["over"]
    assert await settle(one, hold=0.05) == []


async def test_one_that_flaps_is_told_once_in_a_window(store: RedisStore, agent: str) -> None:
    """With how often it began; an end of what nobody was told of is not told either."""
    alert, told = (f"provider_down:{agent}", "said"), []
    for _ in range(5):
        for firing in ([alert], []):
            found = await store.settle_alerts(firing, 0.5, 0.0)
            told += [each for each in found if each.id == alert[0]]
            await asyncio.sleep(0.005)
    assert [each.change for each in told] == ["firing", "over"]
    await asyncio.sleep(0.5)
    (again,) = [each for each in await store.settle_alerts([alert], 0.5, 0.0) if each.id == alert[0]]
    assert (again.change, again.times) == ("firing", 5)


async def test_one_that_began_in_the_window_is_told_behind_it(store: RedisStore, agent: str) -> None:
    """What fires for long is told, even where the window kept it quiet at first."""
    alert = (f"provider_down:{agent}", "said")

    async def settle(*firing: tuple[str, str]) -> list[str]:
        return [each.change for each in await store.settle_alerts(firing, 0.2, 0.0) if each.id == alert[0]]

    assert [await settle(alert), await settle(), await settle(alert)] == [["firing"], ["over"], []]
    await asyncio.sleep(0.25)
    assert await settle(alert) == ["firing"]
