"""What a worker inherits from its parent."""

import socket
import tempfile
from contextlib import closing

from gateway.replica.workers.inheritance import Post, PostedWorker


def test_the_address_is_that_of_the_inherited_socket() -> None:
    """Not that of a configuration, which may have changed since the parent began to listen."""
    ours, theirs = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    with tempfile.TemporaryFile() as counts, ours:
        worker = PostedWorker(Post(listener.detach(), counts.fileno(), 1, 0, theirs.detach(), None))
        with closing(worker.sock), closing(worker._line):
            assert worker.host == "127.0.0.1"
