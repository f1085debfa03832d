"""The study of infer_stars on fresh haloes: ranks, resumption, versions."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.studies import stars_calibration as module
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.star_posterior import StarPosterior
from mwlmc_data.rewinding.observed import take_observed
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.scoring.references import OF_STARS
from mwlmc_data.storage import embedded


def make_posterior(samples):
    return StarPosterior(
        samples=samples, config="gaussian", log_evidence=-1.0, log_evidence_error=0.1, p_value=0.5, n_predictive=10,
        n_stars=3, n_left_out=0, selection=Selection(), n_total=None, held={}, n_effective=100.0, n_evaluations=7,
        probability=None, edge=0.0, error_parts={"sampling": 0.1, "selection": 0.0, "probability": 0.0},
    )  # fmt: skip


@pytest.fixture
def inferred(monkeypatch):
    """Posteriors that are right on average, in place of those that take minutes; lists the seeds asked for."""
    seeds = []

    def infer_stars(stars, *, seed, lmc, selection, **_):
        seeds.append(seed)
        truth = lmc.to_dict()
        if isinstance(stars, dict):
            seen = take_observed(stars)
            assert 100 <= len(seen) <= 500 and (selection.compute_completeness(seen.positions) > 0.0).all()
        rng = np.random.default_rng(seed)
        centre = {name: truth[name] * (1 + 0.01 * rng.standard_normal()) for name in FREE}
        draws = {name: centre[name] + abs(0.01 * truth[name]) * rng.standard_normal(400) for name in FREE}
        return make_posterior(pd.DataFrame(draws))

    monkeypatch.setattr(module, "infer_stars", infer_stars)
    return seeds


def test_right_posteriors_are_calibrated_and_a_run_resumes(tmp_path, capsys, inferred, monkeypatch):
    monkeypatch.setattr(module, "read_references", lambda name: [])
    module.main(tmp_path, "gaussian", 20, 1)
    assert inferred == list(range(20))
    module.main(tmp_path, "gaussian", 40, 1)
    assert inferred == list(range(40))
    found = module.read_haloes(tmp_path, "gaussian", 40)
    assert found.ranks.shape == (40, 6) and (found.ks > 1e-4).all()
    assert (np.abs(found.coverage - 0.68) < 0.3).all()
    text = capsys.readouterr().out
    assert "40 haloes, 0 of them embedded references, of 3 to 3 stars" in text
    assert all(f"\n{name} " in text for name in FREE)


def test_surveys_are_files_of_their_own(tmp_path, capsys, inferred):
    module.main(tmp_path, "gaussian", 3, 1)
    module.main(tmp_path, "gaussian", 4, 1, is_survey=True)
    assert inferred == [0, 1, 2, 0, 1, 2, 3] and len(list(tmp_path.iterdir())) == 7
    held = module.read_haloes(tmp_path, "gaussian", 4, True)
    assert len(held.haloes) == 4 + held.n_references


def test_references_count_too_where_they_are_of_the_same_prior(tmp_path, capsys, inferred):
    module.main(tmp_path, "gaussian", 2, 1)
    found = module.read_haloes(tmp_path, "gaussian", 2)
    ranks = pq.read_table(embedded.verify_file(OF_STARS))["rank_beta0"].to_numpy()
    assert found.n_references == len(ranks) == 100
    np.testing.assert_array_equal(found.ranks[2:, FREE.index("beta0")], ranks)
    assert len(found.fresh.haloes) == 2 and found.fresh.n_references == 0
    text = capsys.readouterr().out
    assert "102 haloes, 100 of them embedded references (by algorithms 6, 7, 8, 9), of 3 to 1024 stars" in text
    module.main(tmp_path, "flat", 2, 1)
    assert module.read_haloes(tmp_path, "flat", 2).n_references == 0


def test_wrong_posteriors_are_seen(tmp_path, monkeypatch):
    """Ten times too narrow: ranks at the ends alone."""
    found = module.StarsCalibration([{"rank": dict.fromkeys(FREE, end)} for end in (0.0, 1.0)] * 20, 0)
    assert (found.ks < 1e-6).all() and (found.coverage == 0.0).all()


def test_haloes_of_other_versions_are_refused(tmp_path, inferred):
    module.main(tmp_path, "gaussian", 2, 1)
    path = tmp_path / "gaussian-00001.json"
    held = json.loads(path.read_text())
    path.write_text(json.dumps({**held, "versions": [0, "0.9", 10]}))
    with pytest.raises(ValueError, match=r"gaussian-00001\.json = a halo of versions \[0, '0\.9', 10\]: allowed is"):
        module.read_haloes(tmp_path, "gaussian", 2)
