"""Runs side by side: what differs between their specs, their figures, groups and curves."""
