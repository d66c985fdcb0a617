"""HTTP on both sides: sockets, framing, limits and deadlines."""
