"""The path of one call, from its parsed request to its last byte."""
