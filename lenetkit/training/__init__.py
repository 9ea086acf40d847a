"""Training as a generator of events (`loop`), its data (`data`), evaluation (`evaluation`), and
where values became non-finite (`divergence`).
"""
