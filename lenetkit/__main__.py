"""`python -m lenetkit`, and the `lenetkit` command: signals are understood while modules load."""

from __future__ import annotations

import sys
from typing import NoReturn

from lenetkit.runs.interrupt import leave, leaving, obey, press_again, say, words


def main() -> NoReturn:
    """Run the command line."""
    sys.unraisablehook = press_again
    try:
        obey()
        with leaving():
            from lenetkit.cli.main import main
        main()
    except KeyboardInterrupt:
        say(f"\n{words()}")
        leave()


if __name__ == "__main__":
    main()
