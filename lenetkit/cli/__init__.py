"""The command line: `main` and one module a command. Parses and prints, nothing else."""
