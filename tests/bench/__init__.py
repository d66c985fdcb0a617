"""Tests of the measurements: that they count, compare and print what they say."""
