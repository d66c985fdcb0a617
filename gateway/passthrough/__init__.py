"""Endpoints of a provider's API that go through to it."""
