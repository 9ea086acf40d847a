"""`python -m lenetkit`."""

from lenetkit.cli import main

main()
