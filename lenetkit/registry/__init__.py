"""From names to classes, through entry points (`discovery`, `catalog`) or a file given by
`--plugin` (`plugin_file`); and whose code raised an error (`blame`).
"""
