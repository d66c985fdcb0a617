"""The workers' own tests; whole stories are in tests/scenarios/test_workers.py."""
