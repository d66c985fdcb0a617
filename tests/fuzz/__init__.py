"""Everything that reads bytes of strangers, fed with bytes that nobody would send."""
