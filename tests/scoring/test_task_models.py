"""The task of models: its rows, the scores of probabilities, and the evidences beside."""

import numpy as np
import pandas as pd
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import made, schema
from mwlmc_data.scoring import classification, evidences
from mwlmc_data.scoring.submission import SubmissionError, read_submission, write_submission
from mwlmc_data.scoring.tasks import models
from mwlmc_data.simulator.many import stored_precision
from mwlmc_data.simulator.physics import PHYSICS
from tests.scoring.test_submission import ABOUT

N = 200


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path))


@pytest.fixture
def task():
    return mw.get_task("models")


@pytest.fixture
def forbidden(monkeypatch):
    monkeypatch.setattr(made, "_make", lambda *a: pytest.fail("haloes were simulated"))


def draw(n, rng, sharpness=2.0):
    """Probabilities (n, 5), and labels that are drawn with them."""
    p = rng.dirichlet(np.full(5, 1 / sharpness), n)
    labels = (np.cumsum(p, axis=1) <= rng.random((n, 1))).sum(axis=1).clip(max=4)
    return p, np.eye(5)[labels]


def test_observations_are_test_rows_of_each_model_alike(task, forbidden):
    seen = task.observations
    assert len(seen) == N and set(schema.split_of(seen.sim_id)) == {"test"}
    assert seen.theta.sum(axis=0).tolist() == [40.0] * 5 and (seen.theta.sum(axis=1) == 1).all()
    assert seen.theta[seen.rows("reference")].sum(axis=0).tolist() == [10.0] * 5
    assert (np.diff(seen.sim_id) > 0).all()
    with pytest.raises(ValueError, match="read-only"):
        seen.theta[0] = 0


def test_rows_are_simulated_in_their_own_model(task, monkeypatch):
    train = task.load_split("train", 10)
    table = mw.load_catalogue("train", format="numpy")
    assert np.array_equal(train.sim_id, table["sim_id"][:10]) and train.x.mask.all()
    assert train.theta.argmax(axis=1).tolist() == [0, 1, 2, 3, 4] * 2
    assert np.array_equal(train.others[:, 4], table["beta0"][:10])
    for row, physics in ((0, "standard"), (3, "osipkov-merritt")):
        drawn = {name: float(table[name][row]) for name in schema.DRAWN}
        seed = int(made.release.get_entry("gaussian", None)["seed"])
        parameters = stored_precision(mw.Parameters(**drawn, physics=physics))
        halo = mw.simulate(parameters, seed=seed, sim_id=int(train.sim_id[row])).halo
        stars = np.hstack([halo.positions, halo.velocities])
        far = stars[np.linalg.norm(stars[:, :3].astype(float), axis=1) > 50][:1024]
        np.testing.assert_array_equal(train.x.stars[row], far)
    # the standard ones share the files of the tasks of stars
    folders = {path.name for path in (made.store.get_data_dir() / "made").iterdir()}
    assert folders == {"stars-1024", *(f"stars-1024-{name}" for name in PHYSICS if name != "standard")}


def test_no_validation_case_quotes_stars(task):
    assert task.cases.names == () and task.cases.theta.shape == (0, 0)


def test_equal_probabilities_score_what_is_known_of_them(task, forbidden):
    report = task.score(probabilities=np.full((N, 5), 0.2))
    head = report["headline"]
    assert head["log_score"]["value"] == pytest.approx(np.log(5)) and head["brier_score"]["value"] == pytest.approx(0.8)
    assert head["gain_over_prior"]["value"] == 0.0 and "gap_to_evidences" not in head
    assert "no evidences" in " ".join(report["notes"]) and "5.000" not in str(report)
    assert repr(task).startswith("<Task models@1.0: probabilities of standard")
    assert "probabilities" in task._repr_html_()


def test_right_probabilities_win_and_overconfident_ones_lose(task, forbidden):
    truth = task.observations.theta.astype(float)
    rng = np.random.default_rng(3)
    # a likelihood of noise about the label gives right probabilities
    logs = 1.5 * truth + rng.normal(size=truth.shape)
    exact = np.exp(1.5 * logs)
    scores = {}
    for name, power in (("right", 1.0), ("over", 3.0), ("under", 0.3)):
        p = exact**power
        report = task.score(probabilities=p / p.sum(axis=1, keepdims=True))
        scores[name] = report["headline"], report["scores"]["calibration"]
    best = scores["right"]
    for name in ("over", "under"):
        for metric in ("log_score", "brier_score"):
            assert scores[name][0][metric]["value"] > best[0][metric]["value"]
        assert scores[name][1]["calibration_pvalue"]["value"] < 0.01 < best[1]["calibration_pvalue"]["value"]
    assert best[0]["gain_over_prior"]["value"] > 5 * best[0]["gain_over_prior"]["error"]
    assert best[0]["accuracy"]["value"] > 0.5


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p * 2, r"probabilities of row 0 = .*200 such in total: allowed are numbers from 0 to 1 that sum"),
        (lambda p: p - np.eye(5)[[0] * N] + np.eye(5)[[1] * N], r"probabilities of row 0 = -0\.8"),
        (lambda p: p[:-1], r"shape of probabilities = \(199, 5\): allowed is \(200, 5\)"),
        (lambda p: pd.DataFrame(p, columns=list(PHYSICS)[::-1]), "probabilities = a table with named columns"),
        (lambda p: p * np.nan, r"probabilities at \(0, 0\) = nan"),
    ],
)
def test_wrong_probabilities_are_refused(task, forbidden, spoil, words):
    with pytest.raises(ValueError, match=words):
        task.score(probabilities=spoil(np.full((N, 5), 0.2)))
    with pytest.raises(ValueError, match=r"array 'samples' in models.*probabilities is missing"):
        task.score(np.zeros((N, 3, 3)))
    with pytest.raises(ValueError, match="probabilities is missing"):
        task.score()


def test_it_can_be_submitted_to(task, forbidden, tmp_path):
    folder = write_submission(tmp_path / "a", task, probabilities=np.full((N, 5), 0.2), **ABOUT)
    assert read_submission(folder).score()["headline"]["log_score"]["value"] == pytest.approx(np.log(5))
    with pytest.raises(SubmissionError, match="probabilities is missing"):
        write_submission(tmp_path / "b", task, **ABOUT)


def test_the_calibration_error_is_that_of_right_probabilities():
    p_values = []
    for seed in range(30):
        p, labels = draw(300, np.random.default_rng(seed))
        found = classification.measure_reliability(p, labels)
        p_values.append(found.pvalue)
        assert 0 < found.expected < 0.05
    assert 0.3 < np.mean(p_values) < 0.7 and np.mean(np.array(p_values) < 0.1) < 0.3


def test_scores_of_single_probabilities():
    p, truth = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]]), np.array([[1.0, 0, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(classification.log_scores(p, truth), [-np.log(0.7), -np.log(1e-10)])
    np.testing.assert_allclose(classification.brier_scores(p, truth), [0.09 + 0.04 + 0.01, 2.0])


def test_evidences_are_kept_and_give_probabilities(task, forbidden, tmp_path, monkeypatch):
    rows = task.observations.rows("reference")
    truth = task.observations.theta[rows].astype(float)
    logs = -45_000.0 + 3.0 * truth + np.random.default_rng(1).normal(size=truth.shape)
    impossible = np.roll(truth, 1, axis=1) == 1.0
    logs[impossible] = -np.inf
    error = np.where(impossible, 0.0, 0.5)
    evidences.write_evidences(evidences.Evidences(task.observations.sim_id[rows], logs, error), tmp_path)
    assert evidences.load_evidences(tmp_path / "other") is None
    kept = evidences.load_evidences(tmp_path)
    p = kept.compute_probabilities()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (p[impossible] == 0).all()
    plain = np.exp(logs - logs.max(axis=1, keepdims=True))
    plain /= plain.sum(axis=1, keepdims=True)
    # errors draw the probabilities together
    assert np.abs(p - plain).max() < 0.15 and (p.max(axis=1) < plain.max(axis=1) + 0.02).all()
    monkeypatch.setattr(models, "load_evidences", lambda: kept)
    given = np.full((N, 5), 0.2)
    given[rows] = 0.98 * p + 0.004
    gap = task.score(probabilities=given)["headline"]["gap_to_evidences"]
    assert abs(gap["value"]) < 0.5
    assert task.score(probabilities=np.full((N, 5), 0.2))["headline"]["gap_to_evidences"]["value"] > gap["value"]
