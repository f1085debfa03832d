"""How good and how fast live galaxies are: forces, equilibria, orbits, reflex, seeds, settings, replay, aim, speed.

Each figure is printed beside what is allowed at production numbers (2 million particles); with few particles noise
exceeds some of it. Orbits are compared row by row with those of N-body runs that others made (``--reference DIR`` with
``gc19/``, ``gc21_orbits/``, ``lilleengen23/`` and ``halodance/``). The runs that the package holds are taken from it;
others are kept in the folder ``--out`` and go on there after an interruption.
"""

from benchmarks.studies.live.run import PARTS, main

__all__ = ["PARTS", "main"]
