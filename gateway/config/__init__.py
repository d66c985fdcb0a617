"""The configuration: read strictly, checked as a whole, resolved into immutable values.

`load` answers with a `Deployment` or raises `ConfigProblems`, which holds every problem with its file and line.
"""

from gateway.config.check import check
from gateway.config.env_file import add_env_file
from gateway.config.environment import AnyEnvironment
from gateway.config.gateway_file import GatewaySettings
from gateway.config.loader import Deployment, load
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.schema import schemas, write_schemas

__all__ = [
    "AnyEnvironment", "ConfigProblems", "Deployment", "GatewaySettings", "Problem", "add_env_file", "check", "load",
    "schemas", "write_schemas",
]  # fmt: skip
