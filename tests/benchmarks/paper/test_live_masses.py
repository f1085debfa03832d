"""The LMC's mass from live runs: the posterior of `infer` with its prior, and one with a flat prior."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

import mwlmc_data as mw
from benchmarks import __main__ as command
from benchmarks.paper import live_masses
from benchmarks.paper.live_masses import LiveMass, describe, draw_figure, find_percentiles, measure
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
    return measure("gc19-lmc4", SHELL, 3000)


def test_a_heavy_lmc_is_heavier_under_a_flat_prior(found):
    assert found.m_lmc == pytest.approx(25e10, rel=0.05) and found.shell == SHELL
    assert (np.diff(found.weighted) > 0).all() and (np.diff(found.flat) > 0).all()
    assert found.flat[1] > 1.03 * found.weighted[1] and found.flat[2] < live_masses.find_heaviest()
    assert 0.0 <= found.p_value <= 1.0 and found.distance > 0.0


def test_the_table_and_the_figure_hold_both(found):
    other = LiveMass(
        "gc19-lmc1", (50.0, np.inf), 8e10, *np.array([[7.0, 9.0, 12.0], [5.0, 7.0, 10.0]]) * 1e10, 0.0, 3.2
    )
    text = describe([found, other])
    assert (
        "9.0 (7.0 to 12.0)" in text and "7.0 (5.0 to 10.0)" in text and "< 0.001" in text and "at 50 to 100 kpc" in text
    )
    figure = draw_figure([found, other])
    assert [ax.get_title() for ax in figure.axes] == ["stars at 50 to 100 kpc", "stars beyond 50 kpc"]
    assert all(len(ax.containers) == 2 for ax in figure.axes)


def test_the_command_writes_the_figure(found, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        live_masses, "measure", lambda name, shell, *_: dataclasses.replace(found, name=name, shell=shell)
    )
    assert command.main(["live-masses", "--out", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "live-masses.png").read_bytes()[1:4] == b"PNG"
    assert capsys.readouterr().out.count("gc19-lmc") == 8
