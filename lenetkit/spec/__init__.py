"""The YAML model spec: from text with positions to checked options, and back.

`nodes` reads YAML, `merge` applies `extends` and `--set`, `bind` turns nodes into options with
every mistake at its line and column, `model` is the result, `dump` writes it again.
"""
