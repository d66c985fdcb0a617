"""The endpoints, one module for each family: parse, call, render; no logic."""
