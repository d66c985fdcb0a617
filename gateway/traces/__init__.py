"""Records of calls and conversations: kept for a while, and found by their ids."""
