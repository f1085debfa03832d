"""Counts, seeds and numbers of simulations, wherever the public functions take one."""

import re

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data import scoring
from mwlmc_data.dataset.verification import verify

GALAXY = mw.Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0)
PRIOR = mw.Prior("gaussian")
DRAWS = np.random.default_rng(1).normal(size=(40, 60, 2))
TRUTH = DRAWS[:, 0]
SCORE = np.linspace(1.0, 2.0, 40)


def many(**options):
    return mw.simulate_many(PRIOR.sample(2, seed=1), progress=False, **options)


def loaded(**options):
    return mw.load_haloes([5, 3, 4], progress=False, **options).load_all()


#: A call, the name of its number, and a number that it takes; small, because each is simulated several times.
CALLS = {
    "Prior.sample n": (lambda x: PRIOR.sample(x), "n", 20),
    "Prior.sample seed": (lambda x: PRIOR.sample(3, seed=x), "seed", 20),
    "Prior.sample start": (lambda x: PRIOR.sample(3, start=x), "start", 20),
    "simulate seed": (lambda x: mw.simulate(GALAXY, seed=x, n_stars=50).halo.positions, "seed", 3),
    "simulate sim_id": (lambda x: mw.simulate(GALAXY, sim_id=x, n_stars=50).halo.positions, "sim_id", 3),
    "simulate n_stars": (lambda x: mw.simulate(GALAXY, n_stars=x).halo.positions, "n_stars", 50),
    "simulate_many seed": (lambda x: many(seed=x), "seed", 3),
    "simulate_many n_stars": (lambda x: many(n_stars=x), "n_stars", 2000),
    "simulate_many workers": (lambda x: many(workers=x), "workers", 1),
    "integrate_orbit": (lambda x: mw.integrate_orbit(GALAXY, n_output=x).distance, "n_output", 9),
    "load_halo": (lambda x: mw.load_halo(x).positions, "sim_id", 7),
    "load_haloes sim_ids": (lambda x: mw.load_haloes([x], progress=False).load_all()["positions"], "sim_ids", 7),
    "load_haloes batch_size": (lambda x: loaded(batch_size=x)["sim_id"], "batch_size", 2),
    "load_haloes shuffle": (lambda x: loaded(shuffle=x)["sim_id"], "shuffle", 2),
    "load_haloes workers": (lambda x: loaded(workers=x)["sim_id"], "workers", 0),
    "load_catalogue": (lambda x: mw.load_catalogue("train", columns=["m_lmc"], budget=x), "budget", 1000),
    "rank_fractions": (lambda x: scoring.rank_fractions(DRAWS, TRUTH, seed=x), "seed", 3),
    "tarp seed": (lambda x: scoring.tarp(DRAWS, TRUTH, seed=x).coverage, "seed", 3),
    "tarp bins": (lambda x: scoring.tarp(DRAWS, TRUTH, bins=x).coverage, "bins", 4),
    "ecdf_band n": (lambda x: scoring.ecdf_band(x)[1], "n", 30),
    "ecdf_band trials": (lambda x: scoring.ecdf_band(30, trials=x)[1], "trials", 90),
    "binomial_interval": (lambda x: scoring.binomial_interval([3, 4], x)[1], "n", 30),
    "paired_difference": (
        lambda x: scoring.paired_difference(SCORE, SCORE[::-1], n_bootstrap=x).low, "n_bootstrap", 30
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_an_integer_of_any_type(call):
    function, _, number = CALLS[call]
    expected = np.asarray(function(number))
    for same in (float(number), np.float32(number), np.int8(number % 128), np.array(number)):
        if same == number:
            assert np.array_equal(np.asarray(function(same)), expected)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("bad", [True, np.True_, 1.9, -1, -1.0, "3", None, np.nan, np.inf, [3], 1 + 0j], ids=repr)
def test_what_is_not_a_valid_number_is_refused_by_name(call, bad):
    function, name, _ = CALLS[call]
    if bad is None and call in ("load_haloes shuffle", "load_haloes workers", "load_catalogue", "tarp bins",
                                "simulate_many workers"):  # fmt: skip
        return  # None stands for a default
    with pytest.raises(ValueError, match=rf"^{name}\b.* = .*: allowed (is|are) |^budget = "):
        function(bad)


@pytest.mark.parametrize("jobs", [True, 1.5, 0, "4"])
def test_number_of_parallel_downloads(jobs, tmp_path):
    with pytest.raises(ValueError, match=f"^jobs = {jobs!r}: allowed is a whole number from 1 up"):
        mw.fetch("haloes", mirrors=str(tmp_path), directory=tmp_path / "to", jobs=jobs)


@pytest.mark.parametrize("ids", [[1.5], [True], [-1], "12", [[1, 2]]])
def test_number_of_haloes_to_fetch(ids, tmp_path):
    with pytest.raises(ValueError, match=r"^sim_ids"):
        mw.fetch("haloes", sim_ids=ids, mirrors=str(tmp_path), directory=tmp_path / "to")


def test_number_of_haloes_from_a_generator():
    assert mw.load_haloes((i for i in (3, 1)), progress=False).load_all()["sim_id"].tolist() == [3, 1]


@pytest.mark.parametrize("sample", [True, 1.5, -1])
def test_number_of_haloes_to_verify(sample, tmp_path):
    with pytest.raises(ValueError, match=f"^sample = {sample!r}: allowed is a whole number from 0 up"):
        verify(tmp_path, sample)


@pytest.mark.parametrize("progress", ["no", 0, []])
def test_progress_is_a_boolean_everywhere(progress, tmp_path):
    takes = (mw.load_haloes, mw.fetch, lambda progress: verify(tmp_path, progress=progress))
    for take in takes:
        with pytest.raises(ValueError, match=re.escape(f"progress = {progress!r}: allowed is True or False")):
            take(progress=progress)
