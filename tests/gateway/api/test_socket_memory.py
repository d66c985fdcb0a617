"""What sockets remember, and how much of it."""

from gateway.api.socket_memory import SocketMemories, SocketMemory


def test_the_memory_used_the_longest_ago_goes_first() -> None:
    """All memories together hold so many bytes; items that responses of a chain share count once."""
    shared = SocketMemories(most=1000)
    old, new = SocketMemory(shared), SocketMemory(shared)
    first, second = "a" * 300, "b" * 300
    old.keep("r1", [first])
    old.keep("r2", [first, second])
    assert shared.size == 600
    new.keep("r3", ["c" * 401])
    assert (shared.size, old.find("r2"), new.find("r3")) == (401, None, ["c" * 401])
    new.keep("r4", ["\u00e9" * 251])
    assert (shared.size, new.find("r3")) == (0, None)
    new.close()
    assert shared.size == 0


def test_a_socket_remembers_its_last_four_responses() -> None:
    """One more, and the first is forgotten; what is no name is not known."""
    memory = SocketMemory(SocketMemories())
    for number in range(5):
        memory.keep(f"r{number}", [])
    assert [memory.find(f"r{number}") for number in range(5)] == [None, [], [], [], []]
    assert memory.find(None) is memory.find([]) is None
