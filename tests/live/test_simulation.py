"""Live simulations from the outside: one call, tables, haloes, files."""

import numpy as np
import pytest

from mwlmc_data import Parameters, simulate
from mwlmc_data.live import simulating as module
from mwlmc_data.live.aiming import Aim
from mwlmc_data.live.simulating import simulate_live
from mwlmc_data.live.simulation import MASS_NAMES, load_live
from mwlmc_data.simulator import constants as const

PARAMETERS = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)


@pytest.fixture(scope="module")
def file(live, tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "run.npz"
    live.save(path)
    return path


def test_the_orbit_is_seen_from_the_milky_way_today(live):
    orbit = live.orbit
    assert orbit.time[0] == pytest.approx(-const.REWIND_GYR)
    assert orbit.time[-1] == 0
    assert len(orbit.time) == 111
    np.testing.assert_allclose(orbit.mw[-1], 0, atol=1e-12)
    np.testing.assert_allclose(orbit.relative[-1], live.parameters.lmc_phase_space, rtol=1e-9)
    assert 40 < orbit.pericentre < 60
    # velocities are the derivatives of the places
    step = (orbit.time[1] - orbit.time[0]) / const.GYR_PER_TIME_UNIT
    speed = (orbit.lmc[2:, :3] - orbit.lmc[:-2, :3]) / (2 * step)
    assert np.sqrt(np.mean((speed - orbit.lmc[1:-1, 3:]) ** 2)) < 8
    assert np.sqrt(np.mean(((orbit.mw[2:, :3] - orbit.mw[:-2, :3]) / (2 * step) - orbit.mw[1:-1, 3:]) ** 2)) < 1


def test_the_lmc_is_stripped_and_keeps_its_core(live):
    masses = live.masses
    assert list(masses) == ["time", *MASS_NAMES]
    first, last = masses.iloc[0], masses.iloc[-1]
    assert first["m_lmc_8p7"] == pytest.approx(PARAMETERS.m_lmc_8p7, rel=0.03)
    assert last["m_lmc_8p7"] == pytest.approx(first["m_lmc_8p7"], rel=0.1)
    assert 0.4 < last["m_lmc_bound"] / first["m_lmc_bound"] < 0.8
    assert live.conserved["energy"].abs().max() < 0.02
    assert live.conserved["momentum"].max() < 0.6


def test_a_halo_has_the_reflex_of_the_rigid_one_and_more(live):
    halo = live.halo(beta0=0.2, r_dehnen=15, seed=4, n_stars=1500)
    assert halo.positions.shape == (1500, 3)
    assert (halo.source, halo.parameters.beta0, halo.parameters.r_dehnen) == ("live", 0.2, 15)
    rigid = simulate(halo.parameters, seed=4, n_stars=1500).halo
    # the same stars at the start, where the galaxies hardly differ: those far out have moved alike
    r = np.linalg.norm(rigid.positions, axis=1)
    far = (r > 150) & (r < 300)
    gap = np.linalg.norm(halo.positions[far] - rigid.positions[far], axis=1)
    assert np.median(gap) < 20
    # both fall behind the disc, which moves down towards the LMC
    mean = halo.velocities[r > 50].mean(0)
    assert np.linalg.norm(mean - rigid.velocities[r > 50].mean(0)) < 15
    assert mean[2] > 15


def test_haloes_differ_by_what_they_are_asked_for(live):
    one, same = live.halo(seed=1, n_stars=50), live.halo(seed=1, n_stars=50)
    np.testing.assert_array_equal(one.positions, same.positions)
    assert (one.parameters.beta0, one.parameters.r_dehnen) == (PARAMETERS.beta0, PARAMETERS.r_dehnen)
    for other in (live.halo(seed=2, n_stars=50), live.halo(beta0=0.8, n_stars=50), live.halo(r_dehnen=25, n_stars=50)):
        assert not np.allclose(one.positions, other.positions)


def test_the_reflex_is_a_table_by_radius(live):
    table = live.reflex_by_radius(edges=(50, 100, 300), n_stars=2500, beta0=0.0, r_dehnen=12)
    assert table[["r_min", "r_max"]].to_numpy().tolist() == [[50, np.inf], [50, 100], [100, 300]]
    assert table["n_stars_fit"].iloc[0] > table["n_stars_fit"].iloc[1:].sum() - 1
    vector = table[["vx_travel", "vy_travel", "vz_travel"]].to_numpy()
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), table["v_travel"])
    assert 20 < table["v_travel"].iloc[0] < 60
    assert (table["err_vz_travel"] > 0).all()


def test_a_file_is_small_and_gives_the_same_run(live, file):
    assert file.stat().st_size < 200_000
    again = load_live(file)
    assert again.parameters.to_dict() == pytest.approx(live.parameters.to_dict())
    assert again.settings == live.settings
    np.testing.assert_allclose(again.orbit.lmc, live.orbit.lmc, atol=1e-3)
    np.testing.assert_allclose(again.masses, live.masses)
    np.testing.assert_allclose(again.conserved, live.conserved, atol=1e-12)
    stored, run = (r.halo(n_stars=1500).velocities for r in (again, live))
    far = np.linalg.norm(live.halo(n_stars=1500).positions, axis=1) > 50
    np.testing.assert_allclose(stored[far].mean(0), run[far].mean(0), atol=1.5)


def test_a_noisy_run_is_stored_in_coarser_steps(live, tmp_path):
    usual, coarse = tmp_path / "usual.npz", tmp_path / "coarse.npz"
    live.save(usual)
    allowed = int(0.9 * usual.stat().st_size)
    live.save(coarse, max_size=allowed)
    assert coarse.stat().st_size <= allowed
    one, other = (load_live(path).field.find_expansions(1.0)[0].slope[24:, 0, 0] for path in (usual, coarse))
    np.testing.assert_allclose(one, other, rtol=5e-3)


def test_a_run_that_does_not_fit_is_not_written(live, tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(ValueError, match=r"max_size = 20000: allowed is at least \d+ for 24000 particles and 110 rows"):
        live.save(path, max_size=20_000)
    assert not path.exists()
    live.save(path)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match="max_size"):
        live.save(path, max_size=20_000)
    assert path.read_bytes() == kept
    for wrong in (0, 1.5, "much"):
        with pytest.raises(ValueError, match="max_size"):
            live.save(path, max_size=wrong)


def test_objects_show_themselves_in_a_line(live, file):
    for thing in (live, live.field, load_live(file), live.settings):
        assert len(repr(thing).splitlines()) == 1
        assert len(repr(thing)) < 500
    assert "bound today" in repr(live)
    assert "<table>" in live._repr_html_()


def test_names_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"name = 'gc19-lmc9': allowed is .*a file that LiveSimulation.save wrote"):
        load_live("gc19-lmc9")
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match="there is no live run in it"):
        load_live(tmp_path / "other.npz")


def test_a_damaged_file_is_refused(file, tmp_path):
    content, path = file.read_bytes(), tmp_path / "cut.npz"
    for size in (10, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"cut\.npz"):
            load_live(path)


def test_a_file_of_another_version_is_refused(file, monkeypatch):
    monkeypatch.setattr("mwlmc_data.live.running.LIVE_VERSION", "1.1.0")
    with pytest.raises(ValueError, match=r"a live run of version 1\.0\.0: allowed is 1\.1\.0"):
        load_live(file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": {"m200_mw": 1e12}}, "parameters = .*allowed is a mwlmc_data.Parameters"),
        (
            {"parameters": Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0.0, physics="nfw-lmc")},
            "physics = 'nfw-lmc' for simulate_live: allowed is 'standard'",
        ),
        ({"particles": 1e3 + 0.5}, "particles = 1000.5: allowed is a whole number"),
        ({"particles": 2000}, "particles = 2000, so heavy .* allowed is at least"),
        ({"aiming_particles": 2000, "start": None}, "aiming_particles = 2000, so heavy .* allowed is at least"),
        ({"seed": -1}, "seed = -1: allowed"),
        ({"start": np.zeros(5)}, r"start = an array of shape \(5,\): allowed is the shape \(6,\)"),
        ({"start": np.full(6, np.nan)}, "start"),
        ({"start": [0, 30, 0, 0, 0, 0]}, "start = an LMC 30 kpc from the Milky Way"),
        ({"start": [0, 250, 80, 0, 0, -3e5]}, "start = an LMC with 300000 km/s .*allowed is at most 1500 km/s"),
        ({"start": [0, 250, 80, 0, 1200, -1200]}, "start = an LMC with 1697.06 km/s"),
        ({"progress": "yes"}, "progress = 'yes'"),
        ({"checkpoint": "/nonexistent/run.npz"}, "checkpoint = '/nonexistent/run.npz': allowed is a file in a folder"),
        ({"checkpoint": "."}, r"checkpoint = '\.': allowed is a file"),
        ({"checkpoint": 3}, "checkpoint = 3: allowed is a path"),
    ],
)
def test_bad_input_is_refused(arguments, message, tmp_path):
    usual = {"parameters": PARAMETERS, "particles": 24_000, "start": [0, 250, 80, 0, 0, -80], "progress": False}
    with pytest.raises(ValueError, match=message):
        simulate_live(**{**usual, "checkpoint": tmp_path / "run.npz", **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"), [({"beta0": 0.95}, "beta0"), ({"r_dehnen": 2}, "r_dehnen"), ({"n_stars": 0}, "n_stars")]
)
def test_a_halo_refuses_what_the_simulator_does(live, arguments, message):
    with pytest.raises(ValueError, match=message):
        live.halo(**arguments)
    with pytest.raises(ValueError, match="edges"):
        live.reflex_by_radius(edges=(100, 50))
    with pytest.raises(ValueError, match="options holds 'beta': allowed is beta0"):
        live.reflex_by_radius(beta=0.1)


def test_the_start_is_looked_for_once(monkeypatch, tmp_path):
    """A run killed after the search finds its start beside the checkpoint; both files go when it is done."""
    shots = []

    def aim(parameters, particles, seed, on_row):
        shots.append(particles)
        return Aim(np.array([14.0, 236.0, 90.0, 11.7, 10.7, -70.6]), np.zeros((1, 6)), np.eye(6))

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    path = tmp_path / "run.npz"
    monkeypatch.setattr(module, "aim", aim)
    with monkeypatch.context() as context:
        context.setattr(module, "run_live", killed)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                simulate_live(PARAMETERS, 24_000, checkpoint=path, aiming_particles=25_000, progress=False)
    assert shots == [25_000]
    other = PARAMETERS.replace(log10_lambda_df=PARAMETERS.log10_lambda_df + 0.5)
    for parameters, particles in ((PARAMETERS, 30_000), (other, 25_000)):
        with pytest.raises(ValueError, match="holds another run"):
            simulate_live(parameters, 24_000, checkpoint=path, aiming_particles=particles, progress=False)
    monkeypatch.setattr(module, "make_settings", lambda n, seed: module.LiveSettings(*_short(n, seed)))
    path.with_name("run.aim.npz").unlink()
    made = simulate_live(PARAMETERS, 24_000, checkpoint=path, aiming_particles=25_000, progress=False)
    assert len(made.orbit.time) == 4
    np.testing.assert_array_equal(made.wanted, PARAMETERS.lmc_phase_space)
    assert not list(tmp_path.iterdir())


def _short(particles, seed):
    from mwlmc_data.live.settings import make_settings

    return make_settings(particles, seed, rows=3, steps=2, span=0.06)
