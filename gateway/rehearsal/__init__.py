"""A stand-in provider and a demo, to try a rollout without any API key."""
