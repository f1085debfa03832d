"""What the simulator costs, beside its peers agama, gala and galpy: ``python -m benchmarks speed``.

Four parts, which ``--parts`` selects:

curve
    The work-precision curve: the error of stars moved for 2.2 Gyr against the time that took, for each code.
simulation
    One complete simulation with its halo, a catalogue's row alone, and where the time goes.
scaling
    Cost against the number of simulations and of stars, two cores against one, memory of a worker.
avx2
    The same simulation compiled for narrower vectors than this machine may have.
"""

from benchmarks.studies.speed.run import PARTS, main

__all__ = ["PARTS", "main"]
