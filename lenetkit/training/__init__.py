"""Training as a generator of events (`loop`), what it learns from (`data`), how good the network
is (`evaluation`), and where numbers stopped being finite (`divergence`).
"""
