"""One module per endpoint family: parse, call, render; no logic."""
