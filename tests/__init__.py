"""What the packages promise, shown by running them: real sockets, a real Redis, no mocks."""
