"""From a spec to memory: `plan` computes shapes and costs without arrays, `network` allocates
memory and runs the passes, `stage` runs one layer.
"""
