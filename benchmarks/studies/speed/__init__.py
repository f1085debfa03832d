"""What the simulator costs, beside its peers agama, gala and galpy: ``python -m benchmarks speed``.

Six parts, which ``--parts`` selects:

curve
    The work-precision curve: the error of stars moved for 2.2 Gyr against the time that took, for each code.
simulation
    One complete simulation with its halo, a catalogue's row alone, and where the time goes.
likelihood
    One evaluation of the likelihood of a halo's stars, where its time goes, and the work-precision curve of rewinding.
scaling
    Cost against the number of simulations and of stars, two cores against one, memory of a worker.
startup
    What a fresh process waits for before its first simulation.
instructions
    Stars, rows and whole simulations compiled for AVX2 and for SSE4.2 as well as for this machine; with ``--before`` a
    checkout of an earlier commit, beside that one's in the same run, and the errors of both.
"""

from benchmarks.studies.speed.run import PARTS, main

__all__ = ["PARTS", "main"]
