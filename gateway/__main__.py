"""`python -m gateway`: the command `serinus`."""

import sys

from gateway.cli import main

sys.exit(main())
