"""`python -m gateway.standin`: the stand-in provider without the rest of Serinus."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
