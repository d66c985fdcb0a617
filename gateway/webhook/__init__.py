"""Signed JSON posts to addresses that the configuration allows."""
