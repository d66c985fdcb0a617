"""One call, from its parsed request to its last byte."""
