"""Tests of what other systems are told of calls."""
