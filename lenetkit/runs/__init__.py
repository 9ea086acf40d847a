"""Runs: a training in a folder of its own, recorded, interruptible and resumed bit for bit."""
