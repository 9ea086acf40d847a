"""Reports: one HTML file about a run, or about several side by side.

This package imports Jinja2 and matplotlib, so import it only where a report is made.
"""
