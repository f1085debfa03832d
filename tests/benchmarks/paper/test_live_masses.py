"""The LMC's mass from live runs: the posterior of `infer` with its prior, and one with a flat prior."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

import mwlmc_data as mw
from benchmarks import __main__ as command
from benchmarks.paper import live_masses
from benchmarks.paper.along_orbits import draw_halo
from benchmarks.paper.live_masses import (
    LIVE,
    RIGID,
    LiveMass,
    describe,
    draw_figure,
    draw_haloes,
    find_percentiles,
    measure,
)
from benchmarks.paper.published import PublishedOrbit
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.deconvolved import TRAVEL
from mwlmc_data.inference.networks import load_network
from mwlmc_data.priors import MARGINALS

SHELL = (50.0, 100.0)


def test_percentiles_are_those_of_the_density():
    values = np.linspace(-6.0, 6.0, 601)
    assert find_percentiles(values, np.exp(-0.5 * values**2), (16, 50, 84)) == pytest.approx(
        norm.ppf([0.16, 0.5, 0.84]), abs=1e-3
    )


def test_with_the_prior_of_the_network_it_is_the_posterior_of_infer():
    """A motion whose posterior `infer` draws on its own grid."""
    row = mw.load_catalogue("test", "wide", format="numpy")
    vector = np.array([row[name][4] for name in TRAVEL], float)
    covariance = np.diag([30.0, 30.0, 60.0])
    lmc = np.array([row[name][4] for name in LMC_VECTOR], float)
    masses = np.linspace(2.5e10, live_masses.find_heaviest(), live_masses.N_MASSES)
    density = live_masses.average_density(load_network("wide").likelihood, masses, vector, covariance, lmc)
    prior = np.exp(MARGINALS["wide"]["m_lmc"].log_pdf(masses))
    found = mw.infer(
        dict(zip((*TRAVEL, *LMC_VECTOR), (*vector, *lmc), strict=True)), covariance, config="wide", n=20_000
    )
    drawn = np.percentile(found.samples["m_lmc"], (16, 50, 84))
    assert find_percentiles(masses, density * prior) == pytest.approx(drawn, rel=0.03)


@pytest.fixture(scope="module")
def found():
    halo = draw_haloes("gc19-lmc4", 3000, 0, None)[LIVE]
    return measure("gc19-lmc4", LIVE, halo, SHELL)


def test_a_heavy_lmc_is_heavier_under_a_flat_prior(found):
    assert found.m_lmc == pytest.approx(25e10, rel=0.05) and found.shell == SHELL
    assert (np.diff(found.weighted) > 0).all() and (np.diff(found.flat) > 0).all()
    assert found.flat[1] > 1.03 * found.weighted[1] and found.flat[2] < live_masses.find_heaviest()
    assert 0.0 <= found.p_value <= 1.0 and found.distance > 0.0


def test_a_halo_along_the_orbit_of_a_simulation_is_that_of_the_simulation():
    """Its rows 20 Myr apart, from which a spline gives the path: nearly all stars end within 0.1 kpc."""
    parameters = mw.Parameters(m200_mw=1.2e12, m_lmc=1.5e11, log10_lambda_df=-0.5, beta0=0.3, r_dehnen=12.0)
    orbit = mw.integrate_orbit(parameters, 111)
    elsewhere = parameters.replace(x_lmc=3.0, y_lmc=-40.0, z_lmc=-20.0)
    halo = draw_halo(PublishedOrbit(orbit.time, orbit.relative, "ours"), elsewhere, 1500, seed=3)
    expected = mw.simulate(parameters, seed=3, n_stars=1500).halo
    assert np.quantile(np.linalg.norm(halo.positions - expected.positions, axis=1), 0.95) < 0.1
    assert np.quantile(np.linalg.norm(halo.velocities - expected.velocities, axis=1), 0.95) < 1.0
    assert halo.parameters.x_lmc == pytest.approx(parameters.x_lmc), "that of the orbit's last row"


def test_rigid_galaxies_follow_the_published_orbit(tmp_path, found):
    """Files as published, with another motion of both galaxies, and times in kpc / (km/s)."""
    live = mw.load_live("gc19-lmc4").orbit
    (tmp_path / "gc21_orbits").mkdir()
    time = (live.time - live.time[-1])[:, None] / 0.97779222
    for galaxy, path in (("lmc", live.lmc), ("mw", live.mw)):
        np.savetxt(tmp_path / "gc21_orbits" / f"GC21M4b0_orbit_{galaxy}.txt", np.hstack([time, path + 7.0]))
    haloes = draw_haloes("gc19-lmc4", 3000, 0, tmp_path)
    rigid = measure("gc19-lmc4", RIGID, haloes[RIGID], SHELL)
    assert rigid.m_lmc == found.m_lmc and rigid.galaxies == RIGID
    assert rigid.weighted == pytest.approx(found.weighted, rel=0.3) and (rigid.weighted != found.weighted).all()


def test_the_table_and_the_figure_hold_all(found):
    of_rigid = LiveMass(
        "gc19-lmc1", RIGID, (50.0, np.inf), 8e10, *np.array([[7.0, 9.0, 12.0], [5.0, 7.0, 10.0]]) * 1e10, 0.0, 3.2
    )
    others = [dataclasses.replace(found, shell=(50.0, np.inf)), dataclasses.replace(of_rigid, shell=SHELL)]
    text = describe([found, of_rigid])
    assert "9.0 (7.0 to 12.0)" in text and "7.0 (5.0 to 10.0)" in text and "< 0.001" in text
    assert "at 50 to 100 kpc" in text and "rigid, on its orbit" in text
    figure = draw_figure([found, *others, of_rigid])
    shells = ("at 50 to 100 kpc", "beyond 50 kpc")
    assert [ax.get_title() for ax in figure.axes] == [f"{kind}: stars {s}" for kind in (LIVE, RIGID) for s in shells]
    assert all(len(ax.containers) == 2 for ax in figure.axes)


def test_the_command_writes_the_figure(found, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        live_masses, "draw_haloes", lambda *given: dict.fromkeys((LIVE,) if given[-1] is None else (LIVE, RIGID))
    )
    monkeypatch.setattr(
        live_masses,
        "measure",
        lambda name, galaxies, _, shell, *__: dataclasses.replace(found, name=name, galaxies=galaxies, shell=shell),
    )
    assert command.main(["live-masses", "--out", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "live-masses.png").read_bytes()[1:4] == b"PNG"
    assert capsys.readouterr().out.count("gc19-lmc") == 8
    assert command.main(["live-masses", "--out", str(tmp_path / "new"), "--reference", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("gc19-lmc") == 16
