"""Fixtures for the tests of an app: a gateway, and the stand-in in the place of every provider.

With `serinus-demo` installed pytest knows the fixture `serinus`, a running `Rehearsal`.
"""

from gateway.rehearsal.testing.rehearsal import Rehearsal, RehearsalFailed, rehearsing

__all__ = ["Rehearsal", "RehearsalFailed", "rehearsing"]
