"""Tests of `gateway.overload`."""
