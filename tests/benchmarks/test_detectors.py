"""Detectors of misspecification: they find what is strange, whatever the baseline."""

import json
import re

import numpy as np
import pytest

from benchmarks.baselines.base import Effort, create
from benchmarks.baselines.training import use_one_thread
from benchmarks.detectors.base import Detection, Detector, Whitening, find_detectors
from benchmarks.studies import detectors as study
from mwlmc_data import get_task
from mwlmc_data.scoring import detection_auroc
from mwlmc_data.scoring.star_sets import StarSets
from tests.benchmarks.test_lists import names_in
from tests.helpers.star_tasks import StarTask

pytest.importorskip("sbi", reason="sbi is not installed: the flow cannot be built")
FAST = Effort(fast=True)
DETECTORS = list(find_detectors())


@pytest.fixture(scope="module")
def stars():
    """A task of sets, and networks that were trained on it."""
    use_one_thread()
    task = StarTask(n=600)
    trained = {name: create(name, FAST) for name in ("deepsets", "bins-mdn")}
    for baseline in trained.values():
        baseline.fit(task, 0)
    return task, trained


def test_the_detectors_are_found_and_listed():
    import benchmarks.detectors as package

    assert set(DETECTORS) == {"mmd", "marginal-flow"} == set(names_in(package.__doc__))
    for name, kind in find_detectors().items():
        assert issubclass(kind, Detector) and kind.name == name and re.search(r"\b(19|20)\d\d\b", kind.source)
        with pytest.raises(RuntimeError, match="call fit first"):
            kind().compute_statistic(np.zeros((2, 3)))


def test_whitening_leaves_out_what_does_not_vary():
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + 5.0
    features = np.column_stack([plain, plain[:, 0] - plain[:, 1], np.full(500, 7.0)])
    white = Whitening(features)(features)
    assert white.shape == (500, 3)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(3), atol=1e-6)


@pytest.mark.parametrize("name", DETECTORS)
def test_shifted_gaussians_are_found_and_others_are_not(name):
    rng = np.random.default_rng(1)
    train, held, nominal = (rng.normal(size=(n, 4)) for n in (1200, 300, 400))
    detector = find_detectors()[name](FAST)
    detector.fit(train, held)
    usual = detector.compute_statistic(nominal)
    assert usual.shape == (400,) and np.isfinite(usual).all()
    assert detection_auroc(detector.compute_statistic(nominal + np.array([3.0, 0, 0, 0])), usual).value > 0.85
    assert abs(detection_auroc(detector.compute_statistic(rng.normal(size=(400, 4))), usual).value - 0.5) < 0.08
    far = detector.compute_statistic(nominal[:2] * 1e3)
    assert np.isfinite(far).all() and (far > usual.max() - 1e-9).all()
    again = find_detectors()[name](FAST)
    again.fit(train, held)
    np.testing.assert_array_equal(again.compute_statistic(nominal), usual)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("baseline", ["deepsets", "bins-mdn"])
def test_stars_of_another_kind_are_found_beside_any_baseline_of_sets(name, baseline, stars):
    task, trained = stars
    detection = Detection(find_detectors()[name](FAST), trained[baseline], task)
    x = task.observations.x
    strange = StarSets(x.stars * np.float32([1, 1, 1, 3, 3, 3]), x.mask, x.lmc)
    found = detection_auroc(detection.compute_statistic(strange), detection.compute_statistic(x))
    assert found.value > 0.9


def test_the_study_hands_statistics_in_to_the_score_of_shift(tmp_path, capsys, monkeypatch):
    task = get_task("shift")
    monkeypatch.setattr(type(task), "n_draws", 60)
    # the flow would see 108,000 rows
    monkeypatch.setattr(study, "find_detectors", lambda: {"mmd": find_detectors()["mmd"]})
    study.main(tmp_path, "shift", ["linear-gaussian"], fast=True)
    found = json.loads((tmp_path / "detectors-shift.json").read_text())["linear-gaussian"]
    assert set(found) == {"volume", "mmd"} and set(found["mmd"]) == {*task.rungs, "mean"}
    assert found["mmd"]["bias-40"] > found["mmd"]["bias-10"] - 0.02 and found["mmd"]["bias-40"] > 0.55
    out = capsys.readouterr().out
    assert "mmd" in out and "bias-40" in out
    with pytest.raises(ValueError, match="task = 'summary-9': allowed is shift or stars-shift"):
        study.main(tmp_path, "summary-9", None, fast=True)
    with pytest.raises(ValueError, match="baselines = prior: allowed are"):
        study.main(tmp_path, "shift", ["prior"], fast=True)
