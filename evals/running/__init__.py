"""Ask versions the cases of a suite: one call, a conversation with tools, a suite; what it may cost, what is kept."""
