"""The built-in layers, one screen each. They register through entry points like any plugin."""
