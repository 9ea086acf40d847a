"""From a spec to memory: `plan` works out shapes and costs without arrays, `network` allocates
them and runs the passes, `stage` is one layer with all that a pass hands it.
"""
