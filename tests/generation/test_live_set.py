"""The set of live simulations: drawn, aimed, run, kept, assembled; misses are recorded."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

import generation.live_set as module
from generation.__main__ import main
from generation.live_set import LivePlan, make_simulations
from generation.live_tables import assemble
from generation.plan import RunMismatchError
from mwlmc_data import Parameters, Prior, load_live
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.live_tables import FRICTIONS, MISSES, TRUTHS, split_of_live
from mwlmc_data.simulator import SIMULATOR_VERSION, fit_reflex, integrate_orbit
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.live_set import make_quick


@pytest.fixture
def quick(monkeypatch):
    return make_quick(monkeypatch)


def plan_of(folder):
    return LivePlan(folder, 2, 40_000, 30_000, 1000, simulator_version=SIMULATOR_VERSION)


@pytest.fixture
def made(quick, tmp_path):
    plan = make_simulations(plan_of(tmp_path / "set"), progress=False)
    return plan, assemble(plan)


def test_a_set_is_made_assembled_and_continued(made, quick, monkeypatch):
    plan, files = made
    drawn = Prior("gaussian").sample(2, seed=module.SEED)
    for (seed, particles, parameters), row in zip(quick, drawn.to_dict("records"), strict=True):
        assert parameters.m_lmc == pytest.approx(row["m_lmc"]) and parameters.log10_lambda_df == module.FIRST_GUESS
        assert particles == round(30_000 * max(1.0, row["m200_mw"] / 2e12, row["m_lmc"] / 2e11)), seed
    rows, truths, frictions, misses = (pq.read_table(path).to_pandas() for path in files[:4])
    assert list(rows) == list(schema.CATALOGUE_NAMES)
    assert rows["sim_id"].tolist() == [0, 1]
    assert rows["split"].tolist() == ["calibration", "calibration"]
    assert np.isfinite(rows.select_dtypes("number").to_numpy()).all()
    haloes = Prior("gaussian", ("beta0", "r_dehnen")).sample(2, seed=module.SEED + 1)
    np.testing.assert_array_equal(rows[["beta0", "r_dehnen"]], haloes)
    assert list(truths) == [c.name for c in TRUTHS] and truths["live_id"].tolist() == [0]
    assert (truths["m_lmc_bound"] < truths["m_lmc_bound_infall"]).all()
    np.testing.assert_allclose(truths["m200_mw_today"], rows["m200_mw"][:1], rtol=0.35)
    assert list(frictions) == [c.name for c in FRICTIONS] and set(frictions["live_id"]) <= {0}
    assert list(misses) == [c.name for c in MISSES] and misses["live_id"].tolist() == [1]
    assert "1200 kpc" in misses["missed"][0]
    assert misses["m_lmc"][0] == drawn["m_lmc"][1]
    assert truths["run_sha256"].tolist() == [sha256_of(files.runs[0])]
    # a halo of a row is drawn again from the stored run
    live = load_live(files.runs[0])
    halo = live.halo(*map(float, haloes.iloc[1]), seed=1, n_stars=1000)
    assert float(rows["v_travel"][1]) == pytest.approx(fit_reflex(halo.positions, halo.velocities).v_travel, rel=1e-5)
    np.testing.assert_allclose(live.parameters.lmc_phase_space, rows[list(schema.LMC_VECTOR)].iloc[1], rtol=1e-5)
    # the same shards give the same bytes, and nothing is simulated again
    before = [path.read_bytes() for path in (*files[:4], *files.runs)]
    monkeypatch.setattr(module, "simulate", None)
    again = assemble(make_simulations(plan, progress=False))
    assert [path.read_bytes() for path in (*again[:4], *again.runs)] == before
    with pytest.raises(RunMismatchError, match="particles"):
        make_simulations(dataclasses.replace(plan, particles=50_000), progress=False)


def test_an_lmc_that_ends_outside_the_prior_is_aimed_again_and_then_a_miss(quick, tmp_path, monkeypatch):
    starts, right = [], module.run_live

    def run(parameters, galaxies, start, settings, **options):
        starts.append(start)
        return right(parameters, galaxies, start, settings._replace(rows=2), **options)

    monkeypatch.setattr(module, "run_live", run)
    monkeypatch.setattr(module, "is_within_prior", lambda sky: len(starts) == 2)
    missed, content, rows = module.simulate(plan_of(tmp_path), 0)
    assert not missed and content and len(rows) == 2 and len(starts) == 2
    assert not np.array_equal(*starts)
    starts.clear()
    monkeypatch.setattr(module, "is_within_prior", lambda sky: False)
    missed, content, rows = module.simulate(plan_of(tmp_path), 0)
    assert missed.startswith("the LMC ends outside the prior after 3 runs: ra_lmc ") and not content and not rows
    assert len(starts) == module.MAX_RUNS


def test_an_lmc_that_has_met_the_milky_way_before_is_not_aimed_at(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "aim", None)
    missed, content, rows = module.simulate(plan_of(tmp_path), 0)
    assert missed == "the rigid pair has met 2 times in 2.2 Gyr: no start is looked for" and not content and not rows


def test_pericentres_are_counted():
    once, twice = (
        integrate_orbit(Parameters(m200_mw=m200, m_lmc=1e11, log10_lambda_df=-0.3)) for m200 in (8e11, 2.4e12)
    )
    assert (module.count_passages(once), module.count_passages(twice)) == (1, 2)


def test_the_prior_is_that_of_the_catalogue():
    sky = Prior("gaussian", module.SKY_NAMES).sample(1).iloc[0].astype(float).to_dict()
    assert module.is_within_prior(sky)
    assert not module.is_within_prior({**sky, "ra_lmc": 100.0})
    # an unbounded number, in standard deviations
    assert module.is_within_prior({**sky, "v_los_lmc": 262.2 + 39.0})
    assert not module.is_within_prior({**sky, "v_los_lmc": 262.2 - 41.0})


def test_splits_go_by_simulation():
    splits = [split_of_live(number) for number in range(320)]
    assert (splits.count("calibration"), splits.count("test")) == (64, 256)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--simulations", "0"], "simulations = 0"),
        (["--simulations", "2", "--particles", "50"], "particles = 50"),
        (["--simulations", "2", "--seed", "-1"], "seed = -1"),
    ],
)
def test_bad_words_are_refused(words, message, tmp_path, capsys):
    assert main(["live-set", "--out", str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err
