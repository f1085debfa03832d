"""Plan of a short run of real haloes, which the processes of a test can import."""

from generation.haloes import HaloPlan
from mwlmc_data.simulator import SIMULATOR_VERSION

SIMS = range(4, 26)


def plan_for(out, **changes):
    settings = {"config": "gaussian", "sims": SIMS, "shard_size": 4, "simulator_version": SIMULATOR_VERSION}
    return HaloPlan(out=out, **(settings | changes))
