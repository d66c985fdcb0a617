"""Choice of the version for a call. Pure: no sockets, no clock, no randomness, no environment, no logging."""
