"""``python -m netgraft`` is the command ``netgraft``."""

import sys

from netgraft.cli import main

if __name__ == "__main__":
    sys.exit(main())
