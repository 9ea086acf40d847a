"""The YAML model spec: from text to checked options, and back.

`nodes` reads YAML with the place of every value, `merge` applies `extends` and `--set`, `bind`
turns nodes into options, `sections` are the result, and `dump` writes it as YAML again.
"""
