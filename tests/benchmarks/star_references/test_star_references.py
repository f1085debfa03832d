"""References given stars: their stages, their certificates, their table, and what a task makes of it."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import logsumexp

from benchmarks import __main__ as command
from benchmarks.common import samplers
from benchmarks.common.samplers import SamplerRun
from benchmarks.references import draws, rounding
from benchmarks.references.agreement import Agreement
from benchmarks.star_references import certificate, checks, entry, posterior, results, rows, run
from mwlmc_data import Parameters, Prior, get_task, simulate
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.inference.star_posterior import StarPosterior
from mwlmc_data.inference.stars import ALGORITHM
from mwlmc_data.rewinding.probability import PassProbability, count_coefficients
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.scoring import references
from mwlmc_data.scoring import task as task_module
from mwlmc_data.scoring.reference_columns import COLUMNS_OF_STARS, N_STAR_DRAWS, THETA
from mwlmc_data.simulator.limits import SKY_NAMES
from mwlmc_data.storage import embedded

#: Width of a posterior in normal scores.
WIDTH = 0.2


def constant_probability(log_p=-1.0):
    """ln P that depends on nothing."""
    c = count_coefficients(len(FREE))
    arrays = {
        "scalars": np.array([64, 1000, 0.0, 0.0, 0.5, 500.0, 0.01, log_p, 0.001]), "centre": np.zeros(6),
        "scale": np.ones(6), "coefficients": np.zeros(c), "of_parts": np.zeros((8, c)),
    }  # fmt: skip
    return PassProbability.from_arrays(FREE, arrays)


def make_posterior(samples, **changes):
    fields = {
        "samples": samples, "config": "gaussian", "log_evidence": -7.0, "log_evidence_error": 0.1, "p_value": 0.5,
        "n_predictive": 1000, "n_stars": 1024, "n_left_out": 0, "selection": Selection(), "n_total": None, "held": {},
        "n_effective": 2100.0, "n_evaluations": 7000, "probability": constant_probability(), "edge": 0.01,
        "error_parts": {"sampling": 0.02, "selection": 0.1, "probability": 1.0},
    }  # fmt: skip
    return StarPosterior(**{**fields, **changes})


@pytest.fixture(scope="module")
def listed():
    return rows.list_rows()


def draw(row, seed, n):
    """Draws of a posterior that is right on average."""
    parameters = FreeParameters("gaussian", FREE, row.lmc)
    centre = parameters.compute_scores(row.truth)[0] + WIDTH * np.random.default_rng((row.number, 1)).standard_normal(6)
    values = parameters.convert(centre + WIDTH * np.random.default_rng(seed).standard_normal((n, 6)))
    return np.stack([values[name] for name in FREE], axis=1)


@pytest.fixture
def inferred(monkeypatch):
    """Known posteriors in place of those that take a minute; lists what was asked for."""
    asked = []

    def infer(row, stars, seed, n=posterior.N_DRAWS, resume=None):
        asked.append((row.name, seed))
        if resume is not None:
            resume.write_bytes(b"")
        return make_posterior(pd.DataFrame(draw(row, seed, n), columns=list(FREE)))

    monkeypatch.setattr(posterior, "infer", infer)
    monkeypatch.setattr(posterior, "compute_log_prob", lambda *_: (-3.0, 0.05))
    stars = {row.name: np.zeros((1024, 6)) for row in rows.list_rows()}
    monkeypatch.setattr(run, "load_stars", lambda chosen: stars)
    return asked


@pytest.fixture
def sampled(monkeypatch):
    """Another sampler that finds the same posterior."""

    def sample(target):
        row = next(r for r in rows.list_rows() if r.number == sampled_row[0])
        scores = target.parameters.compute_scores(dict(zip(FREE, draw(row, 99, 3000).T, strict=True)))
        return SamplerRun(scores, np.full(3000, 1 / 3000), 3000.0, -7.05, 0.02)

    sampled_row = []
    build = checks.build_target
    monkeypatch.setattr(checks, "build_target", lambda row, *a: (sampled_row.clear(), sampled_row.append(row.number),
                                                                 build(row, *a))[2])  # fmt: skip
    monkeypatch.setitem(samplers.SAMPLERS, checks.SAMPLER, sample)


def test_rows_are_the_observations_of_the_task(listed):
    task = get_task("stars-budget-10000")
    seen = task.observations
    assert len(listed) == 100 and len(rows.all_rows()) == len(seen)
    assert sorted(row.number for row in listed) == seen.rows("reference").tolist()
    for row in listed[:5]:
        assert seen.sim_id[row.number] == row.sim_id
        assert np.array_equal(seen.theta[row.number], np.float32([row.truth[name] for name in THETA]))
        assert np.array_equal(seen.others[row.number], np.float32([row.truth[n] for n in task.other_names]))
        p = Parameters(**row.truth, **row.lmc)
        assert p.lmc_phase_space == pytest.approx(row.vector, rel=1e-5, abs=1e-4)


def test_stages_resume_check_and_collect(tmp_path, inferred, sampled, listed, capsys):
    run.main(tmp_path, rows="3", workers=1)
    assert len(inferred) == 3 + 3 and len({seed for _, seed in inferred}) == 6
    assert not list((tmp_path / "unfinished").iterdir())
    run.main(tmp_path, rows="4", stages=["infer", "collect"], workers=1)
    assert len(inferred) == 7, "what was there is kept"
    text = capsys.readouterr().out
    assert "4 of 4 references given stars are certified" in text and "3 references checked" in text
    assert all(f"  {row.name}" in text for row in listed[:3])
    table = pq.read_table(tmp_path / results.FILE)
    assert table.column_names == [c.name for c in COLUMNS_OF_STARS] and table.num_rows == 4
    assert table["sim_id"].to_pylist() == sorted(row.sim_id for row in listed[:4])
    by_name = {record["name"]: record for record in table.to_pylist()}
    checked = by_name[listed[0].name]
    assert checked["rerun_distance"] < 0.1 and checked["sampler_evidence"] == pytest.approx(-0.05)
    assert by_name[listed[3].name]["rerun_distance"] is None
    truth = listed[0].truth
    for name in FREE:
        kept = np.array(checked[f"samples_{name}"])
        assert kept.shape == (N_STAR_DRAWS,) and checked[f"truth_{name}"] == pytest.approx(truth[name])
        assert (kept < truth[name]).mean() == pytest.approx(checked[f"rank_{name}"], abs=0.06)
    with pytest.raises(ValueError, match=r"draws is 2000 there and 500 now"):
        posterior.make(tmp_path, listed[0], np.zeros((3, 6)), n=500)


def test_rows_of_an_earlier_table_are_kept_and_not_inferred_again(tmp_path, inferred, sampled, listed, capsys):
    run.main(tmp_path / "first", rows="3", workers=1)
    earlier = tmp_path / "first" / results.FILE
    del inferred[:]
    run.main(tmp_path / "second", rows="5", stages=["infer", "collect"], workers=1, earlier=earlier)
    assert [name for name, _ in inferred] == [row.name for row in listed[3:5]]
    before, after = (pq.read_table(tmp_path / name / results.FILE).to_pylist() for name in ("first", "second"))
    assert [record["sim_id"] for record in after] == sorted(row.sim_id for row in listed[:5])
    kept = {record["name"]: record for record in after}
    assert all(kept[record["name"]] == record for record in before)
    text = capsys.readouterr().out
    assert "5 of 5 references given stars are certified" in text and text.count("3 references checked") == 2
    run.main(tmp_path / "alone", rows="3", stages=["collect"], earlier=earlier)
    assert (tmp_path / "alone" / results.FILE).read_bytes() == earlier.read_bytes()
    other = pq.read_table(earlier)
    metadata = {**other.schema.metadata, b"simulator_version": b"0.9.0"}
    pq.write_table(other.replace_schema_metadata(metadata), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"as it would be now; simulator_version is 0.9.0 there and \d\.\d\.\d now"):
        run.main(tmp_path / "third", rows="5", workers=1, earlier=tmp_path / "other.parquet")


def test_rows_of_an_earlier_algorithm_are_kept_if_they_are_certified(tmp_path, inferred, sampled, listed):
    """Those that failed are drawn again, and all of this algorithm are kept."""
    run.main(tmp_path / "first", rows="3", workers=1)
    table = pq.read_table(tmp_path / "first" / results.FILE)
    records = [{**record, "algorithm": 1, "certified": i > 0} for i, record in enumerate(table.to_pylist())]
    pq.write_table(pa.Table.from_pylist(records, schema=table.schema), tmp_path / "older.parquet")
    del inferred[:]
    older = tmp_path / "older.parquet"
    run.main(tmp_path / "second", rows="3", stages=["collect"], workers=1, earlier=older)
    assert pq.read_table(tmp_path / "second" / results.FILE).to_pylist() == records, "they stay until they are drawn"
    run.main(tmp_path / "second", rows="3", stages=["infer", "collect"], workers=1, earlier=older)
    assert [name for name, _ in inferred] == [records[0]["name"]]
    after = {record["name"]: record for record in pq.read_table(tmp_path / "second" / results.FILE).to_pylist()}
    assert [after[record["name"]]["algorithm"] for record in records] == [ALGORITHM, 1, 1]


def test_a_task_scores_against_them(tmp_path, inferred, listed, monkeypatch):
    run.main(tmp_path, rows="12", stages=["infer", "collect"], workers=1)
    embedded.register(tmp_path / results.FILE, references.OF_STARS, 12, "1.1.0")
    task = get_task("stars-budget-1000")
    embedded_here = task.references()
    assert len(embedded_here) == 100 and embedded_here.certified.mean() > 0.8
    assert set(embedded_here.sim_id.tolist()) <= {row.sim_id for row in listed}
    monkeypatch.setattr(task_module, "load_references", lambda name: references.load_references(tmp_path, name))
    found = task.references()
    assert found.samples.shape == (12, 1000, 3) and found.other_names == task.other_names
    assert found.log_prob_truth == pytest.approx(-3.0 - np.log(1e21))
    task.n_draws = 400
    n, rng = len(task.observations), np.random.default_rng(5)
    prior = Prior("gaussian", FREE)
    drawn = prior.sample(n * 400, seed=3)
    values = np.stack([drawn[name].to_numpy() for name in FREE], axis=1).reshape(n, 400, 6)
    nothing = task.score(values[..., :3], other_samples=values[..., 3:])
    exact = values.copy()
    for i, sim_id in enumerate(found.sim_id.tolist()):
        place = int(np.flatnonzero(task.observations.sim_id == sim_id)[0])
        picked = rng.choice(1000, 400, replace=False)
        exact[place] = np.concatenate([found.samples, found.other_samples], axis=2)[i][picked]
    right = task.score(exact[..., :3], other_samples=exact[..., 3:])
    for report, is_right in ((nothing, False), (right, True)):
        for gap in (report["headline"]["gap_to_reference"], report["scores"]["others"]["gap_to_reference"]):
            assert abs(gap["value"]) < 5 * gap["error"] + 5e-3 if is_right else gap["value"] > 3 * gap["error"]


def test_an_entry_needs_every_posterior(tmp_path, inferred):
    run.main(tmp_path, rows="2", stages=["infer"], workers=1)
    with pytest.raises(ValueError, match=r"lacks 1,098 of 1,100 posteriors"):
        entry.write(tmp_path)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["--rows", "0"], "rows = 0: allowed"), (["--rows", "x"], "rows = x: allowed"),
     (["--stage", "guess"], "stage = guess: allowed is infer, check, collect, entry")],
)  # fmt: skip
def test_wrong_options_are_refused(tmp_path, words, complaint, capsys):
    assert command.main(["star-references", "--out", str(tmp_path), *words]) == 2
    assert complaint in capsys.readouterr().err


def reference(**changes):
    numbers = {
        "n_effective": 2000.0, "p_value": 0.4, "error_selection": 0.1, "error_density": 0.03, "edge": 0.01,
    }  # fmt: skip
    return posterior.StarReference(np.zeros((2, 6)), -3.0, {**numbers, **changes}, constant_probability())


@pytest.mark.parametrize(
    ("changes", "failure"),
    [({"n_effective": 900.0}, "n_effective 900, at least 1000"), ({"p_value": 0.0}, "p_value 0, at least 0.001"),
     ({"error_selection": 0.5}, "error_selection 0.5, at most 0.1"), ({"edge": 0.2}, "edge 0.2, at most 0.05"),
     ({"error_density": 0.3}, "error_density 0.3, at most 0.15")],
)  # fmt: skip
def test_a_certificate_names_what_fails(changes, failure):
    assert certificate.list_failures(reference(), None) == []
    assert certificate.list_failures(reference(**changes), None) == [failure]


def test_a_disagreement_of_samplers_fails():
    good = checks.StarChecks(Agreement(0.03, 0.05, 1.1), Agreement(0.03, 0.05, 1.1), 0.1, 0.02, 3000.0)
    assert certificate.list_failures(reference(), good) == []
    worse = dataclasses.replace(good, sampler=Agreement(0.3, 0.05, 1.1), sampler_evidence=-2.0)
    found = certificate.list_failures(reference(), worse)
    assert found == ["sampler: distance 0.300, at most 0.1", "sampler: log evidence off by -2.000, at most 0.210"]


def test_draws_are_rounded_by_less_than_matters_and_the_table_is_small(tmp_path, listed):
    rng = np.random.default_rng(2)
    samples = draw(listed[0], 4, 1000)
    rounded = rounding.round_draws(samples)
    assert (np.abs(rounded - samples) <= 0.51 * rounding.PRECISION * samples.std(axis=0)).all()
    many = [
        results.build_record(
            results.StarResult(row, dataclasses.replace(full(), samples=draw(row, rng.integers(1000), 1000)), None)
        )
        for row in listed[:10]
    ]
    pq_path = tmp_path / "small.parquet"
    results.parquet.write_table(results.build_table(many), pq_path)
    assert pq_path.stat().st_size < 10 * 15_000 + 40_000  # 100 rows are below 1.6 MB


def full():
    names = ("n_stars", "n_evaluations", "cpu_seconds", "log_evidence", "error_sampling", "error_probability")
    found = reference(**dict.fromkeys(names, 1.0), **{f"rank_{name}": 0.5 for name in FREE})
    return dataclasses.replace(found, numbers={**found.numbers, "n_stars": 1024, "n_evaluations": 7000})


@pytest.fixture(scope="module")
def halo():
    """Twenty stars: a likelihood so wide that the prior's draws average it."""
    row = rows.list_rows()[3]
    made = simulate(Parameters(**row.truth, **row.lmc), seed=3, n_stars=300).halo
    stars = np.hstack([made.positions, made.velocities]).astype(float)
    return row, stars[np.linalg.norm(stars[:, :3], axis=1) > 50.0][:20]


def test_the_density_of_the_truth_is_averaged_over_the_nuisances(halo):
    row, stars = halo
    parameters = FreeParameters("gaussian", FREE, row.lmc)
    at = parameters.compute_scores(row.truth)[0]
    rng = np.random.default_rng(1)
    scores = 0.5 * at + 0.7 * rng.standard_normal((2000, 6))
    samples = pd.DataFrame(parameters.convert(scores))
    found = make_posterior(samples, held=row.lmc, n_stars=len(stars), log_evidence=-450.0)
    value, error = posterior.compute_log_prob(row, stars, found, row.truth, (1,))
    nuisances = rng.standard_normal((1500, 3))
    points = np.hstack([np.tile(at[:3], (1500, 1)), nuisances])
    likelihood = posterior.SelectedLikelihood(stars, parameters, constant_probability(), 1.5 * scores)
    logs = likelihood.evaluate(points)
    log_average = logsumexp(logs) - np.log(len(logs))
    spread = np.sqrt(np.exp(logsumexp(2 * logs) - 2 * logsumexp(logs)) - 1 / len(logs))
    theta = np.array([row.truth[name] for name in THETA])
    expected = float(Prior("gaussian", THETA).log_prob(theta)) + np.log(1e21) + log_average + 450.0
    assert np.isfinite(expected) and spread < 0.2
    assert value == pytest.approx(expected, abs=4 * np.hypot(spread, error) + 0.05)


def test_far_from_the_posterior_samplers_find_a_slope_and_nothing_else(halo):
    row, stars = halo
    parameters = FreeParameters("gaussian", FREE, row.lmc)
    rng = np.random.default_rng(2)
    at = parameters.compute_scores(row.truth)[0]
    likelihood = posterior.SelectedLikelihood(
        stars, parameters, constant_probability(), at + 0.05 * rng.standard_normal((500, 6))
    )
    near, far = at + 0.05 * rng.standard_normal((20, 6)), rng.standard_normal((60, 6))
    both = likelihood.extend(np.vstack([near, far]))
    assert np.array_equal(both[:20], likelihood.evaluate(near))
    assert np.isneginf(likelihood.evaluate(far)).all() and np.isfinite(both).all()
    assert both[20:].max() <= likelihood.evaluate(at[None])[0] - 20.0 and np.ptp(both[20:]) > 5.0


def test_an_average_over_nuisances_of_a_gaussian_is_exact():
    """The likelihood is N(a.u, 1/100) in three directions of five scores, two of which are given."""
    rng = np.random.default_rng(3)
    a, y = rng.standard_normal((4, 5)), np.array([0.3, -0.2, 0.1, 0.4])
    precision = np.eye(5) + 100.0 * a.T @ a
    covariance = np.linalg.inv(precision)
    mean = covariance @ (100.0 * a.T @ y)
    scores = rng.multivariate_normal(mean, covariance, size=4000)
    given = mean[:2] + np.array([0.1, -0.05])

    def log_likelihood(nuisances):
        u = np.hstack([np.tile(given, (len(nuisances), 1)), nuisances])
        return -50.0 * np.square(u @ a.T - y).sum(axis=1) + 2.0 * np.log(100.0 / (2.0 * np.pi))

    value, error = draws.integrate_nuisances(log_likelihood, scores, np.full(4000, 1 / 4000), given, (1,))
    spread = np.eye(4) / 100.0 + a[:, 2:] @ a[:, 2:].T
    apart = y - a[:, :2] @ given
    exact = -0.5 * apart @ np.linalg.solve(spread, apart) - 0.5 * np.linalg.slogdet(2.0 * np.pi * spread)[1]
    assert error < 0.05 and value == pytest.approx(exact, abs=5 * error)


def test_scores_are_the_inverse_of_the_parameters():
    lmc = {name: rows.list_rows()[0].lmc[name] for name in SKY_NAMES}
    parameters = FreeParameters("gaussian", FREE, lmc)
    scores = np.random.default_rng(4).standard_normal((200, 6))
    assert parameters.compute_scores(parameters.convert(scores)) == pytest.approx(scores, abs=1e-6)
    few = FreeParameters("gaussian", ("m_lmc_8p7", "beta0"), {**lmc, "m_lmc": 4e10, "m200_mw": 1e12,
                                                              "log10_lambda_df": 0.0, "r_dehnen": 12.0})  # fmt: skip
    assert few.compute_scores(few.convert(scores[:, :2])) == pytest.approx(scores[:, :2], abs=1e-6)
