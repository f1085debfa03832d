"""Figures of a halo and of the catalogue (extra ``plot``).

The modules import matplotlib and corner only inside functions. Figures do not use pyplot's global state: no window
opens, and nothing has to be closed.
"""
