"""`python -m lenetkit`, and the `lenetkit` command: Ctrl-C is understood while modules load."""

from __future__ import annotations

import os
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    try:
        from lenetkit.cli import main

        main()
    except KeyboardInterrupt:
        os.write(2, b"interrupted\n")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
