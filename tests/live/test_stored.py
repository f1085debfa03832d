"""The runs that come with the package: verified, as published, and whole in their fields."""

import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.studies.live.run import REFLEX
from mwlmc_data import fit_reflex, load_live
from mwlmc_data.live.friction import fit_friction
from mwlmc_data.live.garavito import RUNS
from mwlmc_data.live.profile import find_density, find_m200, find_mass
from mwlmc_data.live.settings import find_body
from mwlmc_data.live.simulation import list_live
from mwlmc_data.live.spheres import hernquist_sphere
from mwlmc_data.simulator import constants as const
from mwlmc_data.storage import embedded
from mwlmc_data.storage.errors import DamagedFileError

#: Where the LMC of each run is today, relative to the Milky Way, in the published orbits: last rows of GC21M1b0 to M4b0
#: (Garavito-Camargo et al. 2021; github.com/jngaravitoc/XMC-Atlas, suites/GC21), places [kpc] alone.
PUBLISHED = {
    "gc19-lmc1": (-3.4, -49.3, -15.8), "gc19-lmc2": (-0.6, -36.9, -26.9),
    "gc19-lmc3": (-3.0, -48.0, -20.5), "gc19-lmc4": (-3.2, -49.2, -17.5),
}  # fmt: skip


@pytest.fixture(scope="module")
def fiducial():
    return load_live("gc19-lmc3")


def test_the_package_holds_the_four_published_runs():
    assert list_live() == tuple(RUNS)


@pytest.mark.parametrize("name", list(RUNS))
def test_a_run_is_whole_and_ends_where_it_was_published(name):
    live = load_live(name)
    published = RUNS[name]
    assert (live.settings.particles, live.settings.rows) == (2_000_000, published.rows)
    assert live.parameters.m_lmc == published.m_lmc
    np.testing.assert_allclose(live.orbit.relative[0], published.start, atol=1e-3)
    # two reductions of one published run differ by 2.7 kpc
    assert np.linalg.norm(live.orbit.relative[-1, :3] - PUBLISHED[name]) < 3.5
    assert 40 < live.orbit.pericentre < 50
    assert live.conserved["energy"].abs().max() < 0.005
    masses = live.masses
    assert 0.4 < masses["m_lmc_bound"].iloc[-1] / masses["m_lmc_bound"].iloc[0] < 0.65
    assert masses["m_lmc_8p7"].iloc[-1] == pytest.approx(masses["m_lmc_8p7"].iloc[0], rel=0.03)
    assert embedded.verify_file(name).stat().st_size < 200_000


def test_a_halo_of_the_fiducial_has_the_reflex_of_the_laboratory(fiducial):
    halo = fiducial.halo(beta0=0.5, r_dehnen=12, seed=1)
    assert halo.positions.shape == (4500, 3) and halo.source == "live"
    isotropic = fiducial.halo(beta0=0.0, r_dehnen=12, seed=1)
    found = fit_reflex(isotropic.positions, isotropic.velocities, r_max=100.0)
    gap = found.vector - REFLEX[100.0]
    assert (np.abs(gap) < 4 * np.sqrt(np.diag(found.covariance)[:3]) + 1.0).all()
    table = fiducial.reflex_by_radius(n_stars=3000)
    assert table["v_travel"].iloc[2] > table["v_travel"].iloc[1]


def test_masses_follow_from_the_stored_field(fiducial):
    field, masses = fiducial.field, fiducial.masses
    for row in (0, -1):
        body = np.interp(50.0, find_body(fiducial.settings).radius, find_body(fiducial.settings).enclosed)
        assert find_mass(field, 0, [50.0], row)[0] + body == pytest.approx(masses["m_mw_50"].iloc[row], rel=0.01)
        assert find_mass(field, 1, [50.0], row)[0] == pytest.approx(masses["m_lmc_50"].iloc[row], rel=0.01)
    sphere = hernquist_sphere(1.8e11, 20.0)
    within = np.interp([20.0, 100.0], sphere.radius, sphere.mass)
    np.testing.assert_allclose(find_mass(field, 1, [20.0, 100.0], 0), within, rtol=0.01)
    # the suite's halo: 1.57e12 (r / (r + 40.8 kpc))^2 holds 200 times the critical density within r
    r = np.linspace(150.0, 300.0, 3001)
    mass = 1.57e12 * (r / (r + 40.8)) ** 2
    expected = mass[np.argmin(np.abs(mass / (4 / 3 * np.pi * r**3) - 200 * const.RHO_CRITICAL))]
    assert find_m200(field, 0) == pytest.approx(expected, rel=0.01)
    assert 0.7 < find_m200(field) / expected < 1.1


def test_the_density_is_that_of_the_mass_and_has_a_wake(fiducial):
    field = fiducial.field
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(4000, 3))
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    for radius in (30.0, 100.0):
        at = field.body_path[0, :3] + radius * unit
        mean = find_density(field, 0, at, 0).mean()
        shell = np.diff(find_mass(field, 0, radius * np.array([0.98, 1.02]), 0))[0]
        volume = 4 / 3 * np.pi * radius**3 * (1.02**3 - 0.98**3)
        assert mean == pytest.approx(shell / volume, rel=0.02)
    # 0.3 Gyr ago the halo was denser where the LMC had been 0.1 Gyr before: the wake
    disc = field.body_path[:, :3]
    behind = field.lmc_path[-21, :3] - disc[-21]
    ratio = find_density(field, 0, disc[[-16]] + behind, -16) / find_density(field, 0, disc[[0]] + behind, 0)
    assert ratio[0] > 1.3
    # today the disc has been pulled down: the outer halo is denser above it than below
    up = np.array([[0.0, -30.0, 120.0]])
    above, below = (find_density(field, 0, disc[[-1]] + sign * up)[0] for sign in (1, -1))
    assert above > 1.3 * below


def test_without_harmonics_both_galaxies_are_spheres(fiducial):
    field = fiducial.field.truncate(0)
    assert field.potential.shape[3] == 1
    np.testing.assert_array_equal(field.slope[..., 0, 0], fiducial.field.slope[..., 0, 0])
    spheres = dataclasses.replace(fiducial, field=field)
    one, other = (live.halo(0.0, 12.0, seed=1, n_stars=1000) for live in (spheres, fiducial))
    gap = np.linalg.norm(one.positions - other.positions, axis=1)
    assert 0.5 < np.median(gap[np.linalg.norm(other.positions, axis=1) > 60]) < 15
    for wrong in (-1, 7, 0.5):
        with pytest.raises(ValueError, match=r"l_max = .*: allowed is"):
            fiducial.field.truncate(wrong)


def test_a_friction_reproduces_the_orbit_of_a_live_lmc(fiducial):
    found = fit_friction(fiducial.parameters, fiducial.orbit)
    assert -1.5 < found.log10_lambda_df < 0.5
    assert found.place < 10
    shifted = dataclasses.replace(fiducial.orbit, lmc=fiducial.orbit.lmc + np.array([60.0, 0, 0, 0, 0, 0]))
    assert fit_friction(fiducial.parameters, shifted) is None


def test_a_halo_needs_nothing_compiled_that_was_compiled_before(fiducial):
    fiducial.halo(0.0, 12.0, n_stars=10)
    fiducial.field.evaluate([[50.0, 0.0, 0.0]], 1.0)
    program = "import mwlmc_data as mw; live = mw.load_live('gc19-lmc3'); live.halo(0.0, 12.0, n_stars=10)"
    program += "; live.field.evaluate([[50.0, 0.0, 0.0]], 1.0)"
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "compiling" not in made.stderr


def test_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(ValueError, match=r"name = 'gc19': allowed is one of gc19-lmc1, .*gc19-lmc4, or a file that"):
        load_live("gc19")


def test_a_damaged_run_of_the_package_is_refused(tmp_path, monkeypatch):
    for part in ("benchmark.json", "live/gc19-lmc1.npz"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.copyfile(embedded.DATA_DIR / part, tmp_path / part)
    monkeypatch.setattr(embedded, "DATA_DIR", tmp_path)
    load_live("gc19-lmc1")
    path = tmp_path / "live/gc19-lmc1.npz"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="is not the file of the release"):
        load_live("gc19-lmc1")
    path.unlink()
    with pytest.raises(DamagedFileError, match="no such file"):
        load_live("gc19-lmc1")
