"""The stages of the references: files resume, files of another run are refused, checks, the table."""

import dataclasses
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import __main__ as program
from benchmarks.common.features import SCALE
from benchmarks.references import checks, extension, importance, inference, results, rows, run, simulations, statistics
from benchmarks.references.agreement import Agreement
from benchmarks.references.marginal_likelihood import Nodes
from mwlmc_data import Parameters, simulate_many
from mwlmc_data.dataset import release
from mwlmc_data.dataset.sameness import MAX_TRAVEL
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES
from tests.helpers import analytic_posterior as analytic

N, KEPT = 512, 150


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run over a test row and a case of the analytic simulator: simulated, inferred, the row checked."""
    out = tmp_path_factory.mktemp("references")
    case = analytic.row("rigid", 1000, truth=(14e10, np.nan, -0.5), kind="rigid")
    chosen = [case, analytic.row()]
    for row in chosen:
        simulations.make(out, row, 0, N, analytic.simulate)
        inference.make(out, row, N, analytic.histories)
    checks.simulate(out, analytic.row(), N, KEPT, analytic.histories, analytic.simulate)
    checks.compute(out, analytic.row(), N, KEPT, analytic.histories)
    return out, chosen


def test_a_design_grows_where_its_halves_do_not_agree(tmp_path, monkeypatch):
    row, case = analytic.row(), analytic.row("rigid", 1000, kind="rigid")
    assert not extension.is_short(tmp_path, row, N), "what is not inferred yet cannot be judged"
    for each in (row, case):
        simulations.make(tmp_path, each, 0, N, analytic.simulate)
        inference.make(tmp_path, each, N, analytic.histories)
    first = inference.load(tmp_path, row, N)
    assert not extension.is_short(tmp_path, row, N) and extension.is_short(tmp_path, case, N)
    monkeypatch.setattr(extension, "MAX_HALVES", Agreement(0.0, 0.0, 1.0))
    for size in (2 * N, 4 * N):
        assert extension.is_short(tmp_path, row, N)
        extension.make(tmp_path, row, N, analytic.histories, analytic.simulate)
        assert inference.load(tmp_path, row, N).certificate.n_simulations == size
    assert not extension.is_short(tmp_path, row, N), "there are no more parts"
    grown, travel = inference.load(tmp_path, row, N), np.array(row.observation)
    axes = tuple(np.linspace(*ends, 72) for ends in ((2.5, 30.0), (1.0, 38.0), (-3.0, 1.0)))
    exact = analytic.exact(travel, axes).moments()[0]
    error = [np.abs(r.samples.mean(axis=0) / SCALE - exact) for r in (first, grown)]
    assert (error[1] < 0.25 * grown.samples.std(axis=0) / SCALE).all()


def test_an_interrupted_extension_is_inferred_before_the_next_stage(tmp_path, monkeypatch):
    row, asked = analytic.row(), []
    simulations.make(tmp_path, row, 0, N, analytic.simulate)
    assert not inference.is_behind(tmp_path, row), "what is not inferred yet is no extension"
    inference.make(tmp_path, row, N, analytic.histories)
    assert not inference.is_behind(tmp_path, row)
    inference.make_part(tmp_path, row, N, simulations.PARTS, 1, analytic.histories, analytic.simulate)  # then it ends
    assert inference.is_behind(tmp_path, row)
    monkeypatch.setattr(run, "all_rows", lambda statistics: [row])
    monkeypatch.setattr(run, "_extend", lambda out, rows, n, workers: asked.append("extended") or [])
    monkeypatch.setattr(inference, "make", lambda out, row, n: asked.append(row.name))
    run.main(tmp_path, "extend", workers=1)
    assert asked[0] == row.name and set(asked[1:]) == {"extended"}


def test_a_design_that_grew_is_inferred_again_and_not_mixed_up(finished, tmp_path):
    out, chosen = finished
    shutil.copytree(out, tmp_path / "copy")
    simulations.make(tmp_path / "copy", chosen[1], 3, N, analytic.simulate)
    with pytest.raises(ValueError, match="parts is 1 there and 2 now"):
        inference.load(tmp_path / "copy", chosen[1], N)
    inference.make(tmp_path / "copy", chosen[1], N, analytic.histories)
    assert inference.load(tmp_path / "copy", chosen[1], N).certificate.n_simulations == 2 * N


def test_a_design_whose_check_fails_grows_and_is_checked_again(finished, tmp_path, monkeypatch):
    out, row = tmp_path / "copy", analytic.row()
    shutil.copytree(finished[0], out)
    monkeypatch.setattr("benchmarks.references.certificate.MAX_C2ST", 0.0)
    assert extension.is_short(out, row, N)
    checked = checks.path_of(out, row)
    checked.rename(tmp_path / "aside")
    assert not extension.is_short(out, row, N), "its own simulations leave nothing to wish"
    (tmp_path / "aside").rename(checked)
    extension.make(out, row, N, analytic.histories, analytic.simulate)
    certificate = inference.load(out, row, N).certificate
    assert checks.attach(out, row, certificate).importance is None, "the check was of the smaller design"
    before = {path: path.stat().st_mtime_ns for path in (out / "simulations").iterdir()}
    checks.simulate(out, row, N, KEPT, refuse, analytic.simulate)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    new = [path.name for path in (out / "simulations").iterdir() if path not in before]
    assert new == [f"{row.name}.5.npz"] and checks.read_parts(out, row) == 1
    with pytest.raises(AssertionError, match="simulated again"):
        checks.compute(out, row, N, KEPT, refuse)


def refuse(*arguments, **names):
    raise AssertionError("a file that is there is simulated again")


def fail(job):
    return np.full(9, np.nan)


def test_a_run_keeps_finished_files(finished):
    out, chosen = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert len(before) == 7 and not list(out.rglob("*.tmp"))
    for row in chosen:
        simulations.make(out, row, 0, N, refuse)
        inference.make(out, row, N, refuse)
    checks.simulate(out, analytic.row(), N, KEPT, analytic.histories, refuse)
    checks.compute(out, analytic.row(), N, KEPT, refuse)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}


def test_a_killed_run_leaves_nothing_half_made(tmp_path):
    """An interruption within a row leaves no file for it, and the next run makes the same one."""
    made = []

    def killed(job):
        made.append(job)
        if len(made) == 20:
            raise KeyboardInterrupt
        return analytic.simulate(job)

    with pytest.raises(KeyboardInterrupt):
        simulations.make(tmp_path, analytic.row(), 0, 64, killed)
    assert not list(tmp_path.rglob("*.npz"))
    simulations.make(tmp_path, analytic.row(), 0, 64, analytic.simulate)
    simulations.make(tmp_path / "again", analytic.row(), 0, 64, analytic.simulate)
    first, second = (simulations.load(p, analytic.row(), 0, 64) for p in (tmp_path, tmp_path / "again"))
    assert np.array_equal(first.data, second.data) and len(first) == 64


def test_files_of_other_settings_are_refused(finished, monkeypatch):
    out, _ = finished
    with pytest.raises(ValueError, match=f"n is {N} there and 256 now"):
        simulations.load(out, analytic.row(), 0, 256)
    monkeypatch.setattr(inference, "INFERENCE_VERSION", 999)
    with pytest.raises(ValueError, match=r"inference is \d+ there and 999 now"):
        inference.make(out, analytic.row(), N, analytic.histories)
    monkeypatch.setattr(simulations, "SEED", 1)
    with pytest.raises(ValueError, match=r"allowed is another folder; .*seed is \d+ there and 1 now"):
        simulations.make(out, analytic.row(), 0, N, refuse)


def test_a_row_of_failures_is_refused(tmp_path):
    simulations.make(tmp_path, analytic.row(), 0, 64, fail)
    with pytest.raises(ValueError, match="= 64 of 64: allowed is 1%"):
        simulations.load(tmp_path, analytic.row(), 0, 64)


def test_a_few_failures_are_left_out(tmp_path):
    simulations.make(
        tmp_path, analytic.row(), 0, 128, lambda job: (fail if job["sim_id"] % 128 == 3 else analytic.simulate)(job)
    )
    assert len(simulations.load(tmp_path, analytic.row(), 0, 128)) == 127


def test_no_two_simulations_have_the_same_stars():
    """Their sim_id differ over rows, streams and points, and their seed is no catalogue's."""
    seen = []
    for row in rows.all_rows()[::20]:
        for stream in range(3):
            values = np.full((4, 6), 0.5)
            simulations.run_points(row, values, stream, lambda job: (seen.append(job["sim_id"]), fail(job))[1])
    assert len(set(seen)) == len(seen) and max(seen) < 2**63
    assert simulations.SEED not in release.CATALOGUE_SEEDS.values()
    assert statistics.REFLEX_MOTION.replicates * 2 * importance.N_POOL < simulations._STRIDE


def test_a_simulation_of_a_row_is_made_like_the_catalogue():
    """At test rows' own parameters, with the catalogue's seed, the travel vectors are the catalogue's.

    On another processor a star that ends on the other side of 50 kpc may move one of them.
    """
    chosen = [row for row in rows.all_rows() if row.kind == "test"][:9]
    from mwlmc_data import load_catalogue

    kept = load_catalogue("test").set_index("sim_id", drop=False).loc[[row.sim_id for row in chosen]]
    names = [*simulations.DIMENSIONS, *chosen[0].lmc]
    again = simulate_many(kept[[*names, "sim_id"]].reset_index(drop=True), seed=release.CATALOGUE_SEEDS["gaussian"])
    apart = np.abs(again[list(statistics.TRAVEL)].to_numpy() - [row.observation for row in chosen]).max(axis=1)
    assert np.median(apart) < 1e-3 and apart.max() < MAX_TRAVEL
    row, kept = chosen[0], kept.iloc[[0]]
    job = {name: float(kept[name].iloc[0]) for name in names}
    mine = row.statistics.simulate({**job, "sim_id": 5})
    other = simulate_many(kept[list(job)].assign(sim_id=5).reset_index(drop=True), seed=simulations.SEED)
    assert mine == pytest.approx(other[[*statistics.TRAVEL, *statistics.COVARIANCES]].iloc[0].to_numpy(), rel=1e-6)


def test_a_case_is_simulated_at_its_vector():
    case = rows.case_rows()[1]
    p = Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0, **case.lmc)
    assert [getattr(p, name) for name in CARTESIAN_NAMES] == list(case.vector)


def test_the_past_is_the_orbits():
    from benchmarks.references import history
    from mwlmc_data import integrate_orbit

    row = rows.case_rows()[0]
    point = np.array([[2e11, 1.2e12, 0.3, 2e10]])
    orbit = integrate_orbit(Parameters(**dict(zip(history.ORBITAL, point[0].tolist(), strict=True)), **row.lmc))
    found = history.integrate_histories(point, row.lmc).reshape(-1, 3)
    for lookback, change in zip(history.LOOKBACK, found, strict=True):
        at = int(np.argmin(np.abs(orbit.time + lookback)))
        assert change == pytest.approx(orbit.mw[-1, 3:] - orbit.mw[at, 3:], abs=1e-4)


def test_the_likelihood_estimate_is_unbiased():
    """Its mean over replicates is the likelihood, whatever their number."""
    rng = np.random.default_rng(1)
    root = np.array([[2.0, 0, 0], [0.5, 1.5, 0], [-1.0, 0.3, 3.0]])
    matrix, truth = root @ root.T, np.array([1.0, -1.0, 2.0])
    z = np.linalg.solve(root, truth)
    exact = np.exp(-0.5 * z @ z) / ((2 * np.pi) ** 1.5 * np.prod(np.diag(root)))
    for k in (2, 3):
        vectors = rng.standard_normal((200_000, k, 3)) @ root.T
        found = np.exp(importance.log_likelihoods(truth, vectors, np.broadcast_to(matrix, (200_000, 3, 3))))
        assert found.mean() == pytest.approx(exact, abs=4 * found.std() / np.sqrt(200_000))
    with pytest.raises(ValueError, match="simulations of each point = 1: allowed is 2 or more"):
        importance.log_likelihoods(truth, vectors[:, :1], np.broadcast_to(matrix, (200_000, 3, 3)))


def test_importance_sampling_finds_the_known_posterior_and_a_wrong_one():
    row = analytic.row()
    travel = np.array(row.observation)

    def log_density(points):  # a rough model, which decides where points lie
        z = (travel - analytic.mean(np.asarray(points, float))) / (1.3 * analytic.SIGMA)
        return -0.5 * np.square(z).sum(axis=1)

    proposals = importance.propose(log_density, (1,), n_pool=16_384, n_kept=2000)
    assert len(proposals.points) == pytest.approx(2000, abs=150)
    data = simulations.run_points(row, np.repeat(proposals.points, 2, axis=0), 7, analytic.simulate).reshape(-1, 2, 9)
    axes = tuple(np.linspace(*ends, 72) for ends in ((2.5, 30.0), (1.0, 38.0), (-3.0, 1.0)))
    truth = analytic.exact(travel, axes)
    matrices = importance.as_matrices(data[..., 3:].mean(axis=1))
    good = importance.check(truth, proposals, travel, data[..., :3], matrices)
    assert good.effective > 100 and min(good.distribution) > 1e-3
    assert all(abs(s) < 4 * e for s, e in zip(good.shift, good.shift_error, strict=True))
    assert abs(good.evidence) < 4 * good.evidence_error and good.noise_scale == pytest.approx(1.0, abs=0.1)
    wrong = analytic.exact(travel + np.array([0.0, 0.0, 8.0]), axes)
    bad = importance.check(wrong, proposals, travel, data[..., :3], matrices)
    assert min(bad.distribution) < 1e-6 and max(np.abs(bad.shift) / bad.shift_error) > 5


def test_the_outcome_of_the_checks_reaches_the_table(finished):
    out, chosen = finished
    reported = results.collect(out, [*chosen, dataclasses.replace(analytic.row(), name="test-001280")], N)
    assert "1 of 3 rows are not inferred yet" in reported and "1 references checked" in reported
    table = pq.read_table(out / "references.parquet")
    assert table["name"].to_pylist() == ["rigid", "test-000000"]
    case, test = table.to_pylist()
    assert case["sim_id"] == -1 and case["truth_m200_mw"] is None and case["log_prob_truth"] is None
    assert case["rerun_distance"] is None and np.isfinite(test["rerun_distance"])
    assert test["importance_effective"] > 10 and 0.4 < test["rerun_c2st"] < 0.62
    assert test["refit_distance"] < 0.2 and abs(test["importance_evidence"]) < 5 * test["importance_evidence_error"]
    samples = np.stack([test[f"samples_{name}"] for name in ("m_lmc", "m200_mw", "log10_lambda_df")], axis=1)
    assert samples.shape == (2000, 3) and samples[:, 0].min() >= 2.5e10 and np.abs(samples[:, 2] + 1).max() <= 2.000001
    assert test["certified"] == (test["reasons"] == "")


def test_a_file_keeps_its_settings_readable(finished):
    out, _ = finished
    with np.load(inference.path_of(out, analytic.row())) as file:
        about = json.loads(str(file["settings"]))
        assert file["density"].shape == (72, 72, 72) and file["samples"].shape == (10_000, 3)
    assert about["certificate"]["n_simulations"] == N and about["seed"] == simulations.SEED


def test_nodes_average_over_the_prior_of_the_nuisances():
    """A model that knows no nuisance gives the same likelihood with any quadrature; weights sum to one."""

    class Flat:
        def log_density(self, travel, points, histories):
            return np.log(points[:, 4] + 0.1)

    for quadrature in ((3, 2, 2), (8, 5, 3)):
        nodes = Nodes.at(np.array([[14.0, 13.0, 0.0]]), quadrature, lambda p: np.zeros((len(p), 1)))
        assert nodes.log_likelihood(Flat(), np.zeros(3))[0] == pytest.approx(np.log(0.45 + 0.1))


def test_an_unknown_stage_is_refused(tmp_path, capsys):
    assert program.main(["references", "--out", str(tmp_path), "--stage", "guess"]) == 2
    assert "stage = 'guess': allowed is simulate, infer, extend, check, collect or all" in capsys.readouterr().err


def test_collecting_nothing_is_refused(tmp_path, capsys):
    assert program.main(["references", "--out", str(tmp_path), "--stage", "collect", "--rows", "2"]) == 2
    assert "allowed is a folder with inferred posteriors" in capsys.readouterr().err


def test_stages_continue_without_missing_parts(tmp_path):
    run.main(tmp_path, "infer", rows=3, workers=1)
    run.main(tmp_path, "extend", rows=3, workers=1)
    run.main(tmp_path, "check", rows=3, workers=1)
    assert not list(tmp_path.rglob("*.npz"))
