"""Ill and healthy specs with known causes, and what `lenetkit diagnose` says of them."""
