"""Which version serves this call? Pure: no sockets, no clock, no randomness, no environment, no logging."""
