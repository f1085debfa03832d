"""The part of the live set that the repository keeps until it is finished."""

import pytest

from generation.live_embedding import get_unfinished
from generation.live_restoring import restore
from generation.live_set import LivePlan
from generation.shards import read_shard
from mwlmc_data.live.truths import REPOSITORY_RUNS, name_run
from mwlmc_data.simulator import SIMULATOR_VERSION


@pytest.mark.skipif(get_unfinished() is None, reason="the repository keeps no unfinished set")
def test_what_the_repository_keeps_is_a_set_that_this_program_goes_on_with(tmp_path):
    plan = LivePlan(tmp_path / "set", 1000, simulator_version=SIMULATOR_VERSION)
    numbers = restore(plan)
    assert numbers == list(range(len(numbers))) and len(numbers) >= 20
    arrived = [number for number in numbers if not read_shard(plan, number)["missed"][0].as_py()]
    assert {name_run(number) for number in arrived} == {path.name for path in REPOSITORY_RUNS.glob("*.npz")}
