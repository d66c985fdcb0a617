"""What is left out where there is no Node: `make test` installs its clients when it finds version 20 or newer."""

from tests.scenarios.test_clients import PYTHON

collect_ignore = [] if (PYTHON.parents[1] / ".node").exists() else ["test_node_clients.py"]
