"""Files: written atomically (`atomic`), opened with care (`opening`), and safetensors
with digests (`tensorfile`).
"""
