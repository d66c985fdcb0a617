"""The shell around `routing` and `policies`: sockets, the shared store, configuration, the command line."""

from typing import Final

__version__ = "0.1.0"
ENV_FILE: Final = ".env"  # in the configuration folder; here, for commands that load no configuration
