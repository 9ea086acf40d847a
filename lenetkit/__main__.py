"""`python -m lenetkit`, and the `lenetkit` command: Ctrl-C is understood while modules load."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from lenetkit.runs.interrupt import leave, leaving, press_again


def main() -> NoReturn:
    """Run the command line."""
    sys.unraisablehook = press_again
    try:
        with leaving():
            from lenetkit.cli.main import main
        main()
    except KeyboardInterrupt:
        os.write(2, b"\ninterrupted\n")
        leave()


if __name__ == "__main__":
    main()
