"""What keeps a network from learning: looks (`static`, `microscope`), a short training that is
watched (`watch`), suspicions (`causes`), and the experiments that decide (`verdict`).
"""
