"""Conversations that go to people, and what these reply."""
