"""What sockets remember, and how much of it."""

import tracemalloc

import pytest

from gateway.api.socket_memory import SocketMemories, SocketMemory


def test_the_memory_used_the_longest_ago_goes_first() -> None:
    """All memories together hold so many bytes; items that responses of a chain share count once."""
    shared = SocketMemories(most=100_000)
    old, new = SocketMemory(shared), SocketMemory(shared)
    first, second = "a" * 30_000, "b" * 30_000
    old.keep("r1", [first])
    old.keep("r2", [first, second])
    assert 60_000 < shared.size < 61_000
    old.keep("r3", [first, "d" * 100])
    assert 60_000 < shared.size < 62_000
    new.keep("r4", ["c" * 40_100])
    assert 40_100 < shared.size < 41_000
    assert (old.find("r2"), new.find("r4")) == (None, ["c" * 40_100])
    new.keep("r5", ["\u00e9" * 25_100])
    assert (shared.size, new.find("r4")) == (0, None)
    new.close()
    assert shared.size == 0


@pytest.mark.parametrize("items", [1, 100, 10_000])
def test_small_items_are_bounded_too(items: int) -> None:
    """What a text takes beside its characters counts, and so do a response and its list."""
    shared = SocketMemories(most=2_000_000)
    tracemalloc.start()
    try:
        memories = [SocketMemory(shared) for _ in range(100_000 // items)]
        empty = tracemalloc.get_traced_memory()[0]
        for memory in memories:
            memory.keep(f"resp_{id(memory)}", [f'"{number}"' for number in range(items)])
        held = tracemalloc.get_traced_memory()[0] - empty
    finally:
        tracemalloc.stop()
    assert shared.size <= 2_000_000 and held < 3_000_000


def test_a_socket_remembers_its_last_four_responses() -> None:
    """One more, and the first is forgotten; what is no name is not known."""
    memory = SocketMemory(SocketMemories())
    for number in range(5):
        memory.keep(f"r{number}", [])
    assert [memory.find(f"r{number}") for number in range(5)] == [None, [], [], [], []]
    assert memory.find(None) is memory.find([]) is None
