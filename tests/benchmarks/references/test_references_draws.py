"""References given numbers that determine the nuisances: a known posterior of all six parameters, on draws."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import logsumexp

from benchmarks import __main__ as program
from benchmarks.common.features import SCALE
from benchmarks.references import (
    checks,
    conditional,
    draws,
    importance,
    inference,
    polynomials,
    results,
    rows,
    simulations,
)
from benchmarks.references.design import DIMENSIONS
from benchmarks.references.gaussianity import scale_distances
from benchmarks.references.statistics import (
    COVARIANCES,
    REFLEX_MOTION,
    SEED,
    TRAVEL,
    Statistics,
    find_statistics,
)
from mwlmc_data import get_task
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.inference.proposals import Proposal
from mwlmc_data.priors import standard_normal_log_density
from mwlmc_data.scoring.reference_columns import COLUMNS, COLUMNS_OF_24, COLUMNS_OF_50_100, DATA_OF_24
from mwlmc_data.simulator.constants import N_STARS
from mwlmc_data.simulator.limits import OBSERVED_LMC, SKY_NAMES
from mwlmc_data.simulator.many import simulate_row
from tests.helpers import analytic_posterior as analytic

N = 512
#: Of the 24 numbers, as many as determine the six parameters: a smaller problem, which is solved in seconds.
OTHERS = DATA_OF_24[3:9]
NOISE = np.concatenate([analytic.SIGMA, np.linspace(1.0, 2.0, len(OTHERS))])
FULL = find_statistics("summary-24")
STATISTICS = Statistics(FULL.file, (*TRAVEL, *OTHERS))
LMC = dict(zip(SKY_NAMES, OBSERVED_LMC, strict=True))
#: How the other numbers follow from smooth functions of the six parameters: each determines some of them.
SLOPES = 4.0 * np.linalg.qr(np.random.default_rng(8).normal(size=(6, 6)))[0]


def mean(points):
    """Means (n, 9) of the numbers."""
    m, m200, friction, enclosed, beta0, r_dehnen = np.asarray(points, float).T
    smooth = np.stack(
        [np.sqrt(m / 1e11), np.log(m200 / 1e12), 0.3 * friction, enclosed / 1e10, 3.0 * beta0, (r_dehnen - 12.5) / 2.0],
        axis=1,
    )
    return np.concatenate([analytic.mean(np.asarray(points, float)), smooth @ SLOPES], axis=1)


def simulate(job):
    points = np.array([[float(np.float32(job[name])) for name in DIMENSIONS]])
    noise = NOISE * np.random.default_rng(job["sim_id"]).standard_normal(len(NOISE))
    variance = analytic.SIGMA**2
    return np.concatenate([mean(points)[0] + noise, [variance[0], 0, 0, variance[1], 0, variance[2]]])


def histories(points, lmc):
    return analytic.histories(points, lmc)


@pytest.fixture(scope="module")
def row():
    truth = np.array([[14e10, 13e11, -0.5, 2.2e10, 0.4, 12.0]])
    observed = mean(truth)[0] + NOISE * np.random.default_rng(5).standard_normal(len(NOISE))
    return rows.Row("test-000000", "test", 0, 0, LMC, (1.0,) * 6, tuple(observed), tuple(truth[0, :3]), STATISTICS)


@pytest.fixture(scope="module", autouse=True)
def fewer_draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draws, "N_POINTS", 2_000)
        patch.setattr(polynomials, "_STEPS", 25)
        yield


@pytest.fixture(scope="module")
def finished(row, tmp_path_factory, fewer_draws):
    """The row's design over the prior, and one around its posterior."""
    out = tmp_path_factory.mktemp("references-24")
    inference.simulate(out, row, N, histories, simulate)
    assert simulations.count_parts(out, row) == 2
    inference.make(out, row, N, histories)
    return out


@pytest.fixture(scope="module")
def exact(row, finished):
    """The known posterior: normal scores and weights, theta, and the log evidence."""
    placed = inference.infer(row, simulations.load_parts(finished, row, N), histories).inference.grid
    centre = placed.weights @ placed.scores
    apart = placed.scores - centre
    proposal = Proposal(centre, 2.0 * (apart * placed.weights[:, None]).T @ apart)
    scores = proposal.draw(40_000, np.random.default_rng(9))
    scores = scores[np.abs(scores).max(axis=1) < 6.0]
    points = draws.to_points(row, scores)
    z = (np.array(row.observation) - mean(points)) / NOISE
    logs = -0.5 * np.square(z).sum(axis=1) - np.log(NOISE * np.sqrt(2 * np.pi)).sum()
    logs += standard_normal_log_density(scores) - proposal.log_density(scores)
    total = logsumexp(logs)
    return scores, np.exp(logs - total), points[:, :3] / SCALE, total - np.log(40_000)


def test_the_posterior_is_the_known_one(row, finished, exact):
    _, weights, theta, log_evidence = exact
    found = inference.load(finished, row, N)
    assert found.certificate.n_simulations == N, "the design over the prior does not count any more"
    sigma = np.sqrt(weights @ np.square(theta - weights @ theta))
    samples = found.samples / SCALE
    assert np.abs(samples.mean(axis=0) - weights @ theta) / sigma == pytest.approx(0.0, abs=0.35)
    assert samples.std(axis=0) / sigma == pytest.approx(1.0, abs=0.25)
    assert found.certificate.log_evidence == pytest.approx(log_evidence, abs=0.7)
    assert found.certificate.nearest < 3.0
    assert all(0.0 < rank < 1.0 for rank in found.ranks)


def test_a_curved_ridge_is_drawn_from_several_parts(row, monkeypatch):
    """The evidence of a ridge x1 = x0^2 - 1 within 0.05 is that of a line: bending it keeps its area."""

    class Ridge:
        def log_density(self, observed, points, histories):
            apart = np.stack([points[:, 1] - points[:, 0] ** 2 + 1.0, *(points[:, 2:].T / 4.0)])
            return -0.5 * np.square(apart / 0.05).sum(axis=0)

    monkeypatch.setattr(draws, "to_points", lambda row, scores: scores)
    monkeypatch.setattr(draws, "N_POINTS", 6_000)
    drawn = [draws.infer(row, Ridge(), lambda points: points[:, :0], (1,))]
    monkeypatch.setattr(draws, "_MOST_MISSED", np.inf)
    drawn.append(draws.infer(row, Ridge(), lambda points: points[:, :0], (1,)))
    assert drawn[0].grid.effective > 2.0 * drawn[1].grid.effective and drawn[0].missed[0] < drawn[1].missed[0]
    x = np.linspace(-6.0, 6.0, 24_001)
    along = np.exp(-0.5 * (x**2 + (x**2 - 1.0) ** 2 / (1.0 + 0.05**2))).sum() * (x[1] - x[0]) / np.sqrt(2.0 * np.pi)
    widths = np.array([0.05, *[0.2] * 4])
    expected = np.log(along) + np.log(widths / np.sqrt(1.0 + widths**2)).sum()
    assert drawn[0].grid.log_evidence == pytest.approx(expected, abs=5.0 * drawn[0].missed[0])


def test_the_density_of_the_truth_is_that_of_the_known_posterior(row, finished, exact):
    """Averaged over the nuisances: 200,000 draws of their prior at the truth."""
    at = draws.score_theta(row, np.array(row.truth))
    scores = np.hstack([np.tile(at, (200_000, 1)), np.random.default_rng(3).standard_normal((200_000, 3))])
    z = (np.array(row.observation) - mean(draws.to_points(row, scores))) / NOISE
    logs = -0.5 * np.square(z).sum(axis=1) - np.log(NOISE * np.sqrt(2 * np.pi)).sum()
    prior = draws.Prior("gaussian", draws.THETA).log_prob(np.array(row.truth)) + np.log(SCALE).sum()
    expected = prior + logsumexp(logs) - np.log(len(logs)) - exact[3]
    assert inference.load(finished, row, N).log_prob_truth == pytest.approx(expected, abs=0.5)


def test_simulations_alone_find_it_too(row, finished, exact, monkeypatch):
    """Importance sampling with 32 simulations of each point: means and evidence within its errors."""
    checks.simulate(finished, row, N, 400, histories, simulate)
    proposals, data, covariances = checks.load(finished, row, N, 400)
    assert data.shape == (len(proposals.points), 32, 9) and covariances.shape[2] == 6
    matrices = np.broadcast_to(np.diag(NOISE**2), (len(data), 9, 9))
    reference = draws.Drawn(exact[0], exact[2], exact[1], exact[3])
    found = importance.check(reference, proposals, np.array(row.observation), data, matrices)
    assert found.effective > 30 and abs(found.evidence) < 5 * found.evidence_error
    assert all(abs(s) < 5 * e for s, e in zip(found.shift, found.shift_error, strict=True))
    assert found.noise_scale == pytest.approx(1.0, abs=0.1)
    checks.compute(finished, row, N, 400, histories)
    checked = checks.attach(finished, row, inference.load(finished, row, N).certificate)
    assert checked.rerun.distance < 0.25 and checked.refit.distance < 0.25 and checked.importance.effective > 30
    weighed = checks.weigh(finished, row, N, 400, histories)
    assert weighed.points.shape[1] == 6 and weighed.weights.sum() == pytest.approx(1.0)
    sigma = np.sqrt(exact[1] @ np.square(exact[2] - exact[1] @ exact[2]))
    apart = weighed.moments()[0][:3] / SCALE - exact[1] @ exact[2]
    assert apart / sigma == pytest.approx(0.0, abs=0.5)


def test_the_table_has_the_numbers_of_the_task(row, finished, tmp_path):
    full = rows.test_rows(FULL)[0]
    reference = inference.load(finished, row, N)
    pq.write_table(results.build_table([(full, reference)]), tmp_path / "made.parquet")
    table = pq.read_table(tmp_path / "made.parquet")
    assert table.column_names == [c.name for c in COLUMNS_OF_24]
    (record,) = table.to_pylist()
    found = [record[name] for name in FULL.names]
    assert found == pytest.approx(full.observation, rel=1e-6) and record["n_stars_fit"] == int(full.observation[15])
    assert len(record["samples_m_lmc"]) == 2000 and record["log_prob_truth"] == pytest.approx(reference.log_prob_truth)
    assert results.path_of(tmp_path, FULL).name == "references-24.parquet"


def test_what_a_task_gives_is_what_is_simulated():
    task = get_task("summary-24")
    assert FULL.names == DATA_OF_24 and set(task.x_names) == {*LMC_VECTOR, *REFLEX, *DATA_OF_24[3:]}
    assert find_statistics("budget-1000") == find_statistics("summary-9") == REFLEX_MOTION
    assert find_statistics("summary-24-budget-1000") == FULL
    row = rows.test_rows(FULL)[0]
    job = dict.fromkeys(DIMENSIONS, 0.0) | {"m_lmc": 1e11, "m200_mw": 1e12, "m_lmc_8p7": 2e10, "r_dehnen": 12.0}
    made = FULL.simulate({**job, **row.lmc, "sim_id": 3})
    assert made.shape == (24,) and np.isfinite(made).all()
    assert np.array_equal(made[:3], REFLEX_MOTION.simulate({**job, **row.lmc, "sim_id": 3})[:3])
    assert row.observation[:3] == rows.test_rows()[0].observation and row.lmc == rows.test_rows()[0].lmc
    assert len(rows.all_rows(FULL)) == 100


def test_in_a_shell_the_motion_and_its_errors_are_those_of_the_shell(row, finished, tmp_path):
    shell = find_statistics("summary-9-50-100")
    assert shell.names == get_task("summary-9-50-100").x_names[6:] and not shell.fix_nuisances
    job = dict.fromkeys(DIMENSIONS, 0.0) | {"m_lmc": 1e11, "m200_mw": 1e12, "m_lmc_8p7": 2e10, "r_dehnen": 12.0}
    of_shell, of_all = rows.test_rows(shell)[0], rows.test_rows()[0]
    assert (of_shell.lmc, of_shell.truth, of_shell.number) == (of_all.lmc, of_all.truth, of_all.number)
    made = shell.simulate({**job, **of_shell.lmc, "sim_id": 3})
    row_of_catalogue = simulate_row(({**job, **of_shell.lmc, "sim_id": 3}, SEED, N_STARS, "numba"))
    expected = [row_of_catalogue[f"{name}_50_100"] for name in (*TRAVEL, *COVARIANCES)]
    assert np.array_equal(made, np.array(expected, np.float32)) and np.isfinite(made).all()
    assert (made[3:] > REFLEX_MOTION.simulate({**job, **of_shell.lmc, "sim_id": 3})[3:])[[0, 3, 5]].all()  # fewer stars
    with pytest.raises(ValueError, match=r"statistics is None there and \['vx_travel_50_100'.* now"):
        about = {**simulations.settings(of_all, 0, 8)}
        simulations.save(simulations.path_of(tmp_path, of_all, 0), about)
        simulations.load(tmp_path, of_shell, 0, 8)
    found = rows.all_rows(shell)
    assert [r.name for r in found[:1]] == ["gc19-fiducial"] and len(found) == 101
    assert found[0].observation == rows.case_rows()[1].observation and found[0].number == rows.case_rows()[1].number
    reference = inference.load(finished, row, N)
    pq.write_table(results.build_table([(found[0], reference), (found[1], reference)]), tmp_path / "made.parquet")
    table = pq.read_table(tmp_path / "made.parquet")
    assert table.column_names == [c.name for c in COLUMNS_OF_50_100]
    assert table["vz_travel_50_100"].to_pylist() == pytest.approx([r.observation[2] for r in found[:2]])
    assert results.path_of(tmp_path, shell).name == "references-50-100.parquet"


@pytest.mark.parametrize("name", ["shift", "summary-6", "stars-budget-1000", "velocity-bins"])
def test_other_tasks_are_refused(name, tmp_path, capsys):
    assert program.main(["references", "--task", name, "--out", str(tmp_path), "--rows", "1"]) == 2
    assert "allowed is one with data of summary-9, summary-9-50-100 or summary-24" in capsys.readouterr().err


def test_files_of_other_numbers_are_refused(row, finished):
    plain = dataclasses.replace(row, observation=row.observation[:3], statistics=REFLEX_MOTION)
    with pytest.raises(ValueError, match=r"statistics is \[.* there and None now"):
        simulations.load(finished, plain, 0, N)
    assert [c.name for c in COLUMNS if c.name not in [d.name for d in COLUMNS_OF_24]] == []


def test_distances_in_more_dimensions_are_as_rare_as_in_three():
    z = np.linalg.norm(np.random.default_rng(1).standard_normal((20_000, 18)), axis=1)
    assert (scale_distances(z, 18) < 3.0).mean() == pytest.approx(0.9707, abs=0.004)
    assert np.array_equal(scale_distances(z, 3), z) and np.isfinite(scale_distances(1e3 * z, 18)).all()


def test_statistics_say_what_they_are():
    assert REFLEX_MOTION.names == TRAVEL and REFLEX_MOTION.label is None and not REFLEX_MOTION.fix_nuisances
    assert STATISTICS.fix_nuisances and STATISTICS.label == list(DATA_OF_24[:9])
    assert len(Statistics("references", TRAVEL)) == 3


def test_a_trend_is_found_beside_what_other_numbers_leave_of_the_noise():
    """A number with a trend of an eighth of its noise, nearly all of which a component of the travel vector shares.

    In the data of 512 simulations the trend is lost; given the residuals of the other, it is four times what is left.
    """
    rng, n, slope = np.random.default_rng(4), 512, 0.125
    x = rng.uniform(-1.0, 1.0, (n, 6))
    basis = polynomials.basis(np.concatenate([np.zeros((n, 8)), x], axis=1), conditional._OTHER_MEANS[0])
    travel = rng.standard_normal((n, 3))
    column = travel[:, 0] + 0.03 * rng.standard_normal(n) + slope * x[:, 1]
    (fit,) = conditional._fit_others(basis, column[:, None], travel)
    alone = conditional._fit_better(basis, column)
    missed = [np.std(basis @ each.coefficients - slope * x[:, 1]) for each in (alone, fit)]
    assert missed[0] > 0.5 * slope * x[:, 1].std() and missed[1] < 0.1 * missed[0]
    assert np.corrcoef(fit.left_out, travel[:, 0])[0, 1] > 0.99, "the residual is that of the number, whole"
