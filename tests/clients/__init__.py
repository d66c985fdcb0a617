"""What applications call LLMs with: run as scripts in an environment of their own, see test_clients.py."""
