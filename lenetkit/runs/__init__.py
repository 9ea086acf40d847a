"""Training runs: recorded in a folder, interruptible, and resumed bit for bit."""
