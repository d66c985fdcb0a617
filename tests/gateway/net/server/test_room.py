"""Who gets room at the cap, and what finding it costs."""

from dataclasses import dataclass, field

from gateway.net.server.room import FOUND_AT_ONCE, MOST_RESERVES, Guest, Room


@dataclass(eq=False)
class Stand:
    """A connection; `looks` counts how often anybody asked whether one of them rests."""

    looks: list[int]
    rests_until: float = 0.0
    busy: bool = False
    is_served: bool = False
    fate: list[str] = field(default_factory=list)

    @property
    def rests(self) -> bool:
        self.looks[0] += 1
        return not self.busy

    def give_way(self) -> None:
        self.fate.append("gave way")

    def turn_away(self) -> None:
        self.fate.append("turned away")

    def shutdown(self) -> None:
        self.fate.append("was shut down")

    def reset(self) -> None:
        self.fate.append("was reset")


def room_of(most: int, reserve: int = 0) -> tuple[Room, set[Guest], list[int]]:
    connections: set[Guest] = set()
    return Room(connections, most, reserve), connections, [0]


def test_the_one_that_rested_longest() -> None:
    """The connection whose time would be over first gives way; what is busy by then does not."""
    room, connections, looks = room_of(3)
    inside = [Stand(looks, rests_until=at) for at in (5.0, 3.0, 4.0)]
    assert all(room.take(each, 0.0) for each in inside)
    assert room.take(Stand(looks), 0.0) and inside[1].fate == ["gave way"]
    inside[2].busy = True
    assert room.take(Stand(looks), 0.0) and inside[0].fate == ["gave way"] and not inside[2].fate
    assert len(connections) == 3


def test_finding_room_is_cheap() -> None:
    """Ten thousand newcomers at a cap of ten thousand resting connections: far fewer looks than all at each."""
    room, connections, looks = room_of(10_000)
    for _ in range(10_000):
        assert room.take(Stand(looks, rests_until=1.0), 0.0)
    for number in range(10_000):
        assert room.take(Stand(looks, rests_until=2.0), number * 0.1)
    assert len(connections) == 10_000 and looks[0] < 3 * 10_000 * 10_000 / FOUND_AT_ONCE


def test_where_nobody_rests_the_look_is_rare() -> None:
    """A flood on a busy gateway costs each newcomer some 64 looks at most."""
    room, _, looks = room_of(1000)
    for _ in range(1000):
        room.take(Stand(looks, busy=True), 0.0)
    assert not any(room.take(Stand(looks), 0.05) for _ in range(1000))
    assert 1000 <= looks[0] < 70 * 1000


def test_the_reserve_turns_away_who_is_not_served() -> None:
    """The oldest first."""
    room, connections, looks = room_of(0, 2)
    first, second, third = (Stand(looks, busy=True) for _ in range(3))
    assert room.take(first, 0.0) and room.take(second, 0.0)
    first.is_served = True
    assert room.take(third, 0.0) and second.fate == ["turned away"] and not first.fate
    assert connections == {first, third}


def test_a_reserve_that_is_all_served_grows_for_a_moment() -> None:
    """A health check beside a crowd whose requests came in together gets in; four times the reserve is the end."""
    room, connections, looks = room_of(0, 2)
    for _ in range(2 * MOST_RESERVES):
        assert room.take(Stand(looks, busy=True, is_served=True), 0.0)
    assert not room.take(Stand(looks), 0.0) and len(connections) == 2 * MOST_RESERVES
