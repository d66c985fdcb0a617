"""Every target by its name."""

from collections.abc import Mapping

from tests.fuzz.connections import CONNECTIONS
from tests.fuzz.readers import READERS
from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {target.name: target for target in (*READERS, *CONNECTIONS)}
