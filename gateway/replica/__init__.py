"""A running gateway, from its files to its last flush."""
