"""The study of live galaxies: figures beside what is allowed, from small runs that are kept."""

import math

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.studies.live import run as module
from mwlmc_data.live import garavito


@pytest.fixture
def short(monkeypatch):
    """Published runs of three rows."""
    runs = {name: run._replace(rows=3) for name, run in garavito.RUNS.items()}
    monkeypatch.setattr(garavito, "RUNS", runs)
    monkeypatch.setattr(module, "RUNS", runs)


def test_a_figure_says_whether_it_is_met():
    assert str(module.LiveFigure("size", 150.0, 200.0, "kB")).endswith("kB            200 met")
    assert str(module.LiveFigure("size", 250.0, 200.0, "kB")).endswith("NOT met")
    assert str(module.LiveFigure("time", 2.0, math.nan, "s")).endswith("s")


def test_forces_are_near_those_of_the_density():
    figures = list(module.measure_forces(60_000))
    assert len(figures) == 4
    assert all(figure.is_met for figure in figures[2:])
    assert figures[0].found > figures[2].found


def test_orbits_are_compared_row_by_row(short, tmp_path):
    for folder in ("gc19", "gc21_orbits"):
        (tmp_path / folder).mkdir()
    made = module.load_run(tmp_path / "runs", "gc19-lmc3", 30_000)
    relative = made.orbit.relative
    raw = np.c_[np.ones((4, 6)), relative + 1.0]
    raw[:, 6] += 3.0
    np.savetxt(tmp_path / "gc19" / module.RAW_FILES["gc19-lmc3"], raw)
    np.savetxt(tmp_path / "gc21_orbits" / "GC21M3b0_orbit_mw.txt", np.zeros((4, 7)))
    np.savetxt(tmp_path / "gc21_orbits" / "GC21M3b0_orbit_lmc.txt", np.c_[np.zeros(4), relative])
    figures = list(module.measure_orbits(tmp_path / "runs", tmp_path, ["gc19-lmc3"], 30_000))
    found = np.array([figure.found for figure in figures]).reshape(2, 5)
    np.testing.assert_allclose(found[:, :4], [[3, 0, 3, 0], [0, 0, 0, 0]], atol=1e-4)
    assert found[1, 4] == pytest.approx(0, abs=1e-4)
    assert [figure.allowed for figure in figures[:2]] == [3.5, 6.0]


def test_a_run_is_made_once(short, tmp_path, monkeypatch):
    first = module.load_run(tmp_path, "gc19-lmc1", 30_000)
    assert [path.name for path in tmp_path.iterdir()] == ["gc19-lmc1-30000-0.npz"]
    monkeypatch.setattr(module, "run_live", None)
    again = module.load_run(tmp_path, "gc19-lmc1", 30_000)
    np.testing.assert_array_equal(first.orbit.lmc, again.orbit.lmc)


def test_seeds_scatter_about_their_mean(short, tmp_path, capsys, monkeypatch):
    lives = [module.load_run(tmp_path, "gc19-lmc3", 30_000, seed) for seed in (0, 1, 2)]
    found = {figure.what.partition(": ")[2]: figure for figure in module.measure_seeds(lives, [np.inf], 3000)}
    ends = np.array([live.orbit.relative[-1] for live in lives])
    assert found["the LMC's place, largest axis"].found == pytest.approx(ends[:, :3].std(0, ddof=1).max())
    assert 0 < found["the LMC's motion, largest axis"].found < 5
    bound = np.array([live.masses["m_lmc_bound"].iloc[-1] for live in lives])
    assert found["m_lmc_bound, over its mean"].found == pytest.approx(bound.std(ddof=1) / bound.mean())
    reflex = found["reflex, 50 to inf kpc, largest axis"]
    assert 0 < reflex.found < 10 and reflex.allowed == 1.0
    assert all(np.isfinite(figure.found) for figure in found.values()) and len(found) == 9
    # the program takes the same runs
    monkeypatch.setattr(module, "STARS", 3000)
    monkeypatch.setattr(module, "run_live", None)
    words = ["live", "--parts", "seeds", "--particles", "30000", "--seeds", "2", "--out", str(tmp_path)]
    assert main(words) == 0
    assert capsys.readouterr().out.count("scatter of 2 seeds: ") == 10


def test_changes_of_the_settings_are_compared_with_runs_of_the_same_seeds(short, tmp_path, capsys, monkeypatch):
    words = ["live", "--parts", "changes", "--particles", "60000", "--seeds", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(module, "STARS", 2000)
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(out.count(f"{change}: ") == 10 for change in module.CHANGES)
    lives = [module.load_run(tmp_path, "gc19-lmc3", 60_000, seed) for seed in (0, 1)]
    changed = {c: [module.load_run(tmp_path, "gc19-lmc3", 60_000, seed, c) for seed in (0, 1)] for c in module.CHANGES}
    settings = {c: runs[1].settings for c, runs in changed.items()}
    assert settings["half-particles"].particles == 30_000 and settings["l4"].l_max == 4
    assert settings["half-step"].step == pytest.approx(0.5 * lives[1].settings.step)
    found = {figure.what: figure for figure in module.measure_changes(lives, changed, [np.inf], 2000)}
    ends, others = (np.array([x.orbit.relative[-1, :3] for x in runs]) for runs in (lives, changed["l4"]))
    gap = np.abs(others.mean(0) - ends.mean(0))
    worst = gap.argmax()
    assert found["l4: the LMC's place, largest axis"].found == pytest.approx(gap[worst])
    error = np.sqrt(0.5 * (ends.var(0, ddof=1) + others.var(0, ddof=1)))[worst]
    assert found["l4: the LMC's place, largest axis, standard error"].found == pytest.approx(error)
    assert found["half-step: reflex, 50 to inf kpc, largest axis"].allowed == 1.0
    with pytest.raises(ValueError, match=r"--seeds = 1 with --parts = changes: allowed is 2 or more"):
        module.main(tmp_path, None, 60_000, ["changes"], None, (0,))


def test_the_published_galaxies_are_those_of_the_papers():
    parameters, galaxies, settings, start = garavito.prepare("gc19-lmc3", 1000, 0)
    # within 50 kpc: Hernquist 1.57e12 (50 / 90.8)^2 and all of bulge and disc
    within = np.interp(50, galaxies.halo.radius, galaxies.halo.mass)
    assert within == pytest.approx(1.57e12 * (50 / 90.8) ** 2, rel=1e-3)
    assert galaxies.body.mass == pytest.approx(7.18e10)
    assert parameters.m_lmc == 1.8e11
    assert settings.step * settings.steps == pytest.approx(garavito.ROW)
    # row 0 of the published orbits, LMC minus Milky Way
    assert start[1] == pytest.approx(237.8374 - 3.5430, abs=2e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--parts", "forces,orbit"], "--parts holds 'orbit'"),
        (["--parts", "orbits"], "--parts = orbits without --reference"),
        (["--parts", "others"], "--parts = others without --reference"),
        (["--parts", "seeds", "--seeds", "1"], "--seeds = 1 with --parts = seeds: allowed is 2 or more"),
        (["--runs", "gc19-lmc7"], "--runs holds 'gc19-lmc7'"),
    ],
)
def test_bad_words_are_refused(words, message, capsys):
    assert main(["live", *words]) == 2
    assert message in capsys.readouterr().err
