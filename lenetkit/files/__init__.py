"""Files: written whole or not at all (`atomic`), opened with care (`opening`), and safetensors
with digests (`tensorfile`).
"""
