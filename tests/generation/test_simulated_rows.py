"""Results of the simulator are compared with the draws before they become a shard."""

import numpy as np
import pytest

from generation.catalogue import SimulationFailedError, make_catalogue
from mwlmc_data.dataset import schema
from tests.helpers.stand_in_simulator import StandInSimulator, plan_for


def run(tmp_path, change, **settings):
    stand_in = StandInSimulator(tmp_path / "calls.txt")
    plan = plan_for(tmp_path / "run", simulations=20, shard_size=20, **settings)
    return make_catalogue(plan, lambda draws, seed: change(stand_in(draws, seed)), progress=False)


@pytest.mark.parametrize("name", schema.DRAWN)
def test_another_value_of_any_parameter_is_refused(tmp_path, name):
    """One row of one column differs in the last bit of float32."""

    def change(made):
        column = made[name].to_numpy(dtype=np.float32, copy=True)
        column[7] = np.nextafter(column[7], np.float32(np.inf))
        return made.assign(**{name: column})

    with pytest.raises(RuntimeError, match=rf"returned other values than were drawn in \['{name}'\]"):
        run(tmp_path, change)
    assert not (tmp_path / "run" / "gaussian.parquet").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made.drop(columns="v_travel"), r"columns differ from the schema in \['v_travel'\]"),
        (lambda made: made.assign(mass=1.0), r"columns differ from the schema in \['mass'\]"),
        (lambda made: made.iloc[::-1], r"returned sim_id \[15, 14.* for \[0, 1"),
        (lambda made: made.iloc[:-1], r"returned sim_id \[0, 1.* for \[0, 1"),
        (lambda made: made.assign(simulator_version="0.9"), r"version is \{'0.9'\}, the run's 'stand-in-1'"),
    ],
)
def test_other_columns_rows_and_versions_are_refused(tmp_path, change, words):
    with pytest.raises(RuntimeError, match=words):
        run(tmp_path, change)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named_with_its_row(tmp_path, value):
    def change(made):
        column = made["sigma_v_l"].to_numpy(copy=True)
        column[made["sim_id"] == 18] = value
        return made.assign(sigma_v_l=column)

    with pytest.raises(SimulationFailedError, match=r"seed 20250710: \['sigma_v_l'\] are not finite in .*18"):
        run(tmp_path, change)
