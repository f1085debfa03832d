"""Figures of a halo and of the catalogue (extra ``plot``).

Modules here import matplotlib and corner only inside their functions. Figures are made without pyplot's global state:
nothing opens a window, and nothing has to be closed.
"""
