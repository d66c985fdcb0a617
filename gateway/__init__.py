"""The shell around `routing` and `policies`: sockets, the shared store, configuration, the command line."""

__version__ = "0.1.0"
