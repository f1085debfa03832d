"""Notebooks that show the package at work, executed. ``python -m examples`` executes them again."""
