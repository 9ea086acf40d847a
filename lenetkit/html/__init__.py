"""HTML for notebooks and reports: templates, and how values get into them.

This package imports Jinja2, so import it only where HTML is made.
"""
