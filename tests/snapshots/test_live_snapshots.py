"""A live galaxy of our own, through the arrays and through every layout of a file: the same reflex."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.live.start import make_galaxies, start_state
from mwlmc_data.snapshots import measure
from tests.helpers.snapshot_world import World

PARAMETERS = mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0)


@pytest.fixture(scope="module")
def state():
    """A live Milky Way and LMC of particles, with the stars of a rigid run as tracers."""
    halo = mw.simulate(PARAMETERS, seed=2).halo
    stars = np.concatenate([halo.positions, halo.velocities], axis=1).astype(float)
    return start_state(make_galaxies(PARAMETERS), PARAMETERS.lmc_phase_space, 4000, np.random.default_rng(5), stars)


@pytest.fixture(scope="module")
def world(state):
    kinds = np.repeat([1, 4], [state.ends[1], state.ends[2] - state.ends[1]])
    return World(
        state.positions, state.velocities, state.masses.astype(float), state.ids.astype(np.uint64), kinds, np.eye(3),
        state.body,
    )  # fmt: skip


@pytest.fixture(scope="module")
def case(state, world):
    return measure(world.fields(), **options_of(state))


def options_of(state):
    satellite = {"id_range": (state.ends[0], state.ends[1] - 1)}
    return {"satellite": satellite, "host": state.body, "tracers": 4, "selection": mw.Selection(r_max=300.0)}


def test_arrays_give_the_reflex_of_the_tracers(state, case):
    stars = slice(state.ends[1], None)
    direct = mw.fit_reflex(state.positions[stars], state.velocities[stars], r_max=300.0)
    assert np.allclose(case.reflex.values, direct.values, atol=1e-9) and case.reflex.n_stars == direct.n_stars
    found = np.array(list(case.lmc.values()))
    assert np.allclose(found[:3], state.lmc[:3], atol=2.0) and np.allclose(found[3:], state.lmc[3:], atol=10.0)
    # the disc is no particles, so the mass of the host is not measured
    assert case.truth["m_lmc"] == pytest.approx(state.masses[state.lmc_part].sum(), rel=1e-6)
    assert "m_mw_50" not in case.truth


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("write_gizmo", {"parts": 3}, {"units": "kpc/h"}),
        ("write_gadget4", {"parts": 2}, {}),
        ("write_swift", {"parts": 2, "virtual": True}, {}),
    ],
)
def test_files_give_the_same_reflex(name, options, told, state, world, case, tmp_path):
    pytest.importorskip("h5py", reason="h5py is not installed: there are no files of other codes")
    from tests.helpers import snapshot_files

    found = measure(getattr(snapshot_files, name)(tmp_path, world, **options), **told, **options_of(state))
    assert np.allclose(found.reflex.values, case.reflex.values, atol=1e-8)
    assert list(found.lmc.values()) == pytest.approx(list(case.lmc.values()), abs=1e-8)
    assert dict(found.truth) == pytest.approx(dict(case.truth))
