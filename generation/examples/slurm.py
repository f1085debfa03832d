"""Make a catalogue on a SLURM cluster.

Run it in the folder of the checkout, on a machine that may submit jobs and stays up (a login node, or a small job).
It submits the jobs, makes the catalogue on them and ends them; what follows ``--`` goes to
``python -m generation catalogue``, whose folder must be on a file system that all nodes share. Nodes should be of one
kind: across processors the rows agree only to within rounding. It needs ``pip install dask-jobqueue``.

    python -m generation.examples.slurm --jobs 4 --cores 32 --queue short -- --simulations 128000 --out DIR
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).absolute().parents[2]


def make_cluster(options: argparse.Namespace) -> Any:
    """Start a scheduler here for workers in SLURM jobs; no job is submitted yet.

    Parameters
    ----------
    options : Namespace
        The options of this program.

    Returns
    -------
    dask_jobqueue.SLURMCluster
        Its scheduler runs in this process.
    """
    from dask_jobqueue import SLURMCluster

    return SLURMCluster(
        queue=options.queue,
        account=options.account,
        walltime=options.walltime,
        cores=options.cores,
        # One worker per core, with one thread: the simulator is parallel only over simulations.
        processes=options.cores,
        memory=f"{options.memory * options.cores}GB",
        # If there are several interfaces: the one through which the nodes reach this machine.
        interface=options.interface,
        job_extra_directives=options.directive,
        job_script_prologue=[
            f"cd {shlex.quote(str(CHECKOUT))}",
            f"export PYTHONPATH={shlex.quote(str(CHECKOUT))}",
            "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1",
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words of the command line; those of the process by default.

    Returns
    -------
    int
        Exit status, as of ``python -m generation``.
    """
    parser = argparse.ArgumentParser(
        prog="python -m generation.examples.slurm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, default=1, help="SLURM jobs (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=32, help="cores of a job (default: %(default)s)")
    parser.add_argument("--memory", type=int, default=2, help="GB for each core (default: %(default)s)")
    parser.add_argument("--walltime", default="01:00:00", help="of a job (default: %(default)s)")
    parser.add_argument("--queue", help="SLURM partition")
    parser.add_argument("--account", help="SLURM account")
    parser.add_argument("--interface", help="network interface of the scheduler and the workers, for example ib0")
    parser.add_argument("--directive", action="append", default=[], help="further #SBATCH line; may be repeated")
    parser.add_argument("--print-script", action="store_true", help="only print the script of a job")
    parser.add_argument("catalogue", nargs="*", help="after --: options of python -m generation catalogue")
    options = parser.parse_args(arguments)

    with make_cluster(options) as cluster:
        if options.print_script:
            print(cluster.job_script())
            return 0
        # Jobs that end before the catalogue is complete, killed or out of time, are submitted again.
        cluster.adapt(minimum_jobs=options.jobs, maximum_jobs=options.jobs)
        from generation.__main__ import main as generation

        return generation(["catalogue", "--scheduler", cluster.scheduler_address, *options.catalogue])


if __name__ == "__main__":
    sys.exit(main())
