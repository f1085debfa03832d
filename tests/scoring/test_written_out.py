"""Numbers of the metrics against explicit formulae: errors, intervals, defaults, edges."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from mwlmc_data import scoring
from mwlmc_data.scoring import density, ladders, metrics
from mwlmc_data.scoring.manifest import find_manifest_problems, make_manifest
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.scoring.report import Entry, Report, Section
from mwlmc_data.scoring.yardstick import ScoreLimit, compute_gains, load_limit, write_limit
from tests.helpers.example_entries import prior_samples


def draws(n=6, m=40, d=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, m, d))


def test_errors_of_areas_are_the_deviations_of_what_is_averaged():
    """TARP's area is the mean of min(1 - u, 1/2) of uniform u; that of coverage the mean of u."""
    truth = draws()[:, 0]
    curve, regions = scoring.tarp(draws(), truth), scoring.region_coverage(draws(), truth)
    mean, square = (quad(lambda u, p=p: min(1 - u, 0.5) ** p, 0, 1, points=[0.5])[0] for p in (1, 2))
    assert curve.area_error == pytest.approx(np.sqrt((square - mean**2) / 6))
    assert curve.area == pytest.approx(np.minimum(1 - curve.fractions, 0.5).mean() - mean)
    assert regions.area_error == pytest.approx(np.sqrt(1 / 12 / 6))
    assert regions.area == pytest.approx(0.5 - regions.fractions.mean()) and regions.deviation == -regions.area


@pytest.mark.parametrize(("n", "bins"), [(7, 2), (29, 2), (30, 3), (105, 10)])
def test_curves_have_a_step_for_ten_observations(n, bins):
    samples, truth = draws(n), draws(n, seed=1)[:, 0]
    for curve in (scoring.tarp(samples, truth), scoring.region_coverage(samples, truth)):
        assert curve.credibility == pytest.approx(np.linspace(0, 1, bins + 1))
        assert curve.coverage[0] == 0 and curve.coverage[-1] == 1
        assert curve.ks_pvalue == pytest.approx(stats.kstest(curve.fractions, "uniform").pvalue)
    density = scoring.highest_density_coverage(samples[..., 0], truth[:, 0])
    assert len(density.credibility) == bins + 1
    assert len(scoring.tarp(samples, truth, mode="paper").credibility) == bins + 1
    assert len(scoring.tarp(samples, truth, bins=2).credibility) == 3


@pytest.mark.parametrize(("n", "bins"), [(40, 4), (160, 5), (320, 10), (640, 20), (900, 20)])
def test_ranks_have_32_in_a_bin_between_4_and_20_bins(n, bins):
    samples, truth = draws(n, m=19), draws(n, seed=1)[:, 0]
    found = scoring.rank_calibration(samples, truth)
    assert found.histogram.shape == (2, bins) and found.expected == pytest.approx(n / bins)
    assert np.all(found.histogram.sum(axis=1) == n)
    for j in range(2):
        expected = np.histogram(found.fractions[:, j], bins=np.linspace(0, 1, bins + 1))[0]
        assert found.histogram[j].tolist() == expected.tolist()
        assert found.ks[j] == pytest.approx(stats.kstest(found.fractions[:, j], "uniform").statistic)
        assert found.chi2_pvalue[j] == pytest.approx(stats.chisquare(expected).pvalue)


def test_paired_differences_are_bootstrapped_by_rows():
    """The same resampling by hand: numpy's generator with that seed, one set of indices after another."""
    rng = np.random.default_rng(2)
    own, other = rng.normal(size=30), rng.normal(size=30)
    found = scoring.paired_difference(own, other, seed=7, n_bootstrap=300, level=0.8)
    rng = np.random.default_rng(7)
    means = np.array([(own - other)[rng.integers(30, size=30)].mean() for _ in range(300)])
    assert found.mean == pytest.approx((own - other).mean()) and found.n == 30
    assert found.error == pytest.approx(means.std(ddof=1))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.1, 0.9])))
    usual = scoring.paired_difference(own, other)
    rng = np.random.default_rng(0)
    means = np.array([(own - other)[rng.integers(30, size=30)].mean() for _ in range(2000)])
    assert (usual.low, usual.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_the_band_of_an_empirical_distribution_is_adjusted_by_simulation():
    points, low, high = scoring.ecdf_band(25)
    assert points == pytest.approx(np.arange(1, 100) / 100)
    trials = np.sort(np.random.default_rng(0).uniform(size=(1000, 25)), axis=1)
    counts = (trials[:, :, None] <= points).sum(axis=1)
    tails = np.minimum(stats.binom.cdf(counts, 25, points), stats.binom.sf(counts - 1, 25, points)).min(axis=1)
    pointwise = np.quantile(2 * tails, 0.05)
    assert low == pytest.approx(stats.binom.ppf(pointwise / 2, 25, points) / 25)
    assert high == pytest.approx(stats.binom.ppf(1 - pointwise / 2, 25, points) / 25)


def test_a_band_of_tarp_is_fixed_at_its_ends():
    low, high = scoring.tarp_band(25, [0.0, 0.3, 1.0])
    assert (low[0], high[0], low[2], high[2]) == (0, 0, 1, 1)
    _, below, above = scoring.ecdf_band(25, points=[0.3])
    assert (low[1], high[1]) == (below[0], above[0])


def test_contraction_and_intervals():
    samples = draws(5, m=9, d=2)
    expected = 1 - samples.var(axis=1, ddof=1).mean(axis=0) / [4.0, 9.0]
    assert scoring.contraction(samples, [4.0, 9.0]) == pytest.approx(expected)
    fraction, error = scoring.interval_coverage(samples, samples[:, 0], 0.68)
    assert error == pytest.approx(np.sqrt(0.68 * 0.32 / 5))
    ends = np.quantile(samples, [0.16, 0.84], axis=1, method="weibull")
    inside = (samples[:, 0] >= ends[0]) & (samples[:, 0] <= ends[1])
    assert fraction == pytest.approx(inside.mean(axis=0))


class TestSummaryOfOne:
    DRAWS = np.r_[np.arange(1.0, 1001.0)]

    def test_percentiles_and_moments(self):
        found = scoring.summarise_posterior(self.DRAWS, truth=700.0)
        expected = np.percentile(self.DRAWS, [2.5, 16, 50, 84, 97.5])
        assert [found.p2_5, found.p16, found.p50, found.p84, found.p97_5] == pytest.approx(expected)
        assert (found.mean, found.std) == pytest.approx((500.5, np.std(self.DRAWS, ddof=1)))
        assert found.z == pytest.approx((700 - 500.5) / found.std)
        assert found.quantile == pytest.approx(0.699)

    @pytest.mark.parametrize("end", ["p16", "p84", "p2_5", "p97_5"])
    def test_the_ends_of_an_interval_are_inside(self, end):
        edge = getattr(scoring.summarise_posterior(self.DRAWS), end)
        name = "inside68" if end in ("p16", "p84") else "inside95"
        step = 1e-6 if end in ("p84", "p97_5") else -1e-6
        assert getattr(scoring.summarise_posterior(self.DRAWS, edge), name)
        assert not getattr(scoring.summarise_posterior(self.DRAWS, edge + step), name)

    def test_z_of_a_narrow_one_and_of_none(self):
        found = scoring.summarise_posterior([0.0, 0.1, 0.2], truth=0.3)
        assert found.z == pytest.approx(2.0) and not found.inside95
        assert np.isnan(scoring.summarise_posterior([1.0, 1.0], truth=1.0).z)
        nothing = scoring.summarise_posterior([1.0, 2.0])
        assert (nothing.truth, nothing.z, nothing.quantile, nothing.inside68, nothing.inside95) == (None,) * 5

    @pytest.mark.parametrize(("observed", "expected"), [(0.0, 0.2), (1.0, 0.4), (4.0, 1.0), (8.0, 0.4), (9.0, 0.2)])
    def test_the_tail_counts_the_observation_itself(self, observed, expected):
        """Draws 1 to 8 and one more at 5: at least two of ten."""
        assert scoring.predictive_tail([1, 2, 3, 4, 5, 6, 7, 8, 5], observed) == pytest.approx(expected)


class TestLadders:
    def test_names_of_rungs_state_the_shift(self):
        assert {name: float(name.split("-")[1]) for name in ladders.NOISE} == ladders.NOISE
        assert {name: float(name.split("-")[1]) for name in ladders.BIAS} == ladders.BIAS
        for name, what in ladders.WHAT.items():
            number = name.split("-")[1]
            words = {"noise-2": "twice", "noise-4": "four times", "sky-plane": "30 deg", "sky-north": "b > 30 deg"}
            assert words.get(name, f"{number} km/s") in what

    def halo(self):
        sun = np.array([-8.3, 0.0, 0.02])
        b = np.radians([-80.0, -30.5, -29.5, 0.0, 29.5, 30.5, 80.0])
        x = sun + 60 * np.transpose([np.cos(b), 0 * b, np.sin(b)])
        return x, np.arange(21.0).reshape(7, 3)

    def test_clipped_skies_keep_what_is_farther_than_30_deg_from_the_plane(self):
        positions, velocities = self.halo()
        assert ladders.latitude(positions) == pytest.approx([-80, -30.5, -29.5, 0, 29.5, 30.5, 80], abs=1e-5)
        for name, kept in (("sky-plane", [0, 1, 5, 6]), ("sky-north", [5, 6])):
            x, v = ladders.HALO_GROUPS[name](positions, velocities)
            assert np.array_equal(x, positions[kept]) and np.array_equal(v, velocities[kept])

    @pytest.mark.parametrize("speed", [20, 40])
    def test_the_north_falls_in_by_the_speed_of_the_name(self, speed):
        positions, velocities = self.halo()
        x, v = ladders.HALO_GROUPS[f"contraction-{speed}"](positions, velocities)
        inwards = -positions / np.linalg.norm(positions, axis=1, keepdims=True)
        expected = velocities + speed * inwards * (positions[:, 2:] > 0)
        assert np.array_equal(x, positions) and v == pytest.approx(expected)
        assert (positions[:, 2] > 0).sum() == 4

    def test_noise_is_computed_from_the_raw_words_of_philox(self):
        """From the raw words of Philox, which no release of numpy changes: the first for simulation 3."""
        word = np.random.Philox(key=[20250714, 3]).random_raw(3)
        uniform = (np.floor(word / 2.0**11) + 0.5) / 2.0**53
        assert ladders.draw_deviates(np.array([3])) == pytest.approx(stats.norm.ppf(uniform)[None], rel=1e-9)

    def test_data_of_a_travel_vector(self):
        found = ladders.reflex_data(np.array([[3.0, 4.0, 12.0], [-1.0, 0.0, 0.0], [0.0, -2.0, -2.0]]))
        expected = [[13, 53.130102, 67.380135], [1, 180, 0], [np.sqrt(8), -90, -45]]
        assert found.dtype == np.float32 and found == pytest.approx(np.array(expected), abs=1e-4)


def test_entries_of_metrics_have_their_errors_and_decimals():
    """Entries of calibration and of references in the report, by name: value, error, decimals."""
    names = ("a", "b")
    samples, reference, truth = draws(8, m=30), draws(8, m=50, seed=1), draws(8, seed=2)[:, 0]
    entry = metrics.mean_entry(np.array([1.0, 2.0, 4.0]), "less")
    assert (entry.value, entry.error) == pytest.approx((7 / 3, np.std([1, 2, 4], ddof=1) / np.sqrt(3)))
    assert entry.digits == 3 and entry.right == "less" and np.isnan(metrics.mean_entry(np.ones(1), "").error)
    paired = metrics.paired_entry(truth[:, 0], truth[:, 1], "0")
    assert paired.value == pytest.approx((truth[:, 0] - truth[:, 1]).mean()) and paired.digits == 4
    found = metrics.against_reference(samples, reference, names, (1.0, 2.0))
    digits = {name: entry.digits for name, entry in found.items()}
    expected = {"references": 0, "energy_distance": 4, "mmd": 4, "mean_error_rms": 2, "variance_ratio": 2}
    assert digits == expected and found["references"].value == 8
    error = (samples.mean(axis=1) - reference.mean(axis=1)) / reference.std(axis=1, ddof=1)
    assert list(found["mean_error_rms"].value.values()) == pytest.approx(np.sqrt((error**2).mean(axis=0)))
    assert found["mean_error_rms"].right.startswith(f"{np.sqrt(1 / 30 + 1 / 50):.2f}:")
    ratio = samples.var(axis=1, ddof=1) / reference.var(axis=1, ddof=1)
    assert list(found["variance_ratio"].value.values()) == pytest.approx(stats.gmean(ratio, axis=0))


def test_entries_of_a_single_truth():
    samples = np.linspace(-1, 1, 201)[None, :, None] * [1.0, 2.0, 1.0]
    found = metrics.truth_entries(samples, np.array([[0.5, 1.96, np.nan]]), ("a", "b", "c"))
    assert {name: entry.digits for name, entry in found.items()} == {"z": 1, "hits_68": 0, "hits_95": 0}
    z = found["z"].value
    assert z["a"] == pytest.approx(0.5 / samples[0, :, 0].std(ddof=1)) and np.isnan(z["c"])
    assert (found["hits_68"].value["a"], found["hits_95"].value["a"]) == (1, 1)
    assert (found["hits_68"].value["b"], found["hits_95"].value["b"]) == (0, 0)


def test_the_stream_that_breaks_ties_does_not_change():
    """The score of an entry must not change with the next version of the package."""
    truth = draws(9)[:, 0]
    tied = np.repeat(truth[:, None], 7, axis=1)
    assert scoring.tarp(tied, truth, seed=8).fractions == pytest.approx(np.random.default_rng([8, 1]).uniform(size=9))
    ranks = scoring.rank_fractions(tied, truth, seed=8)
    assert ranks == pytest.approx(np.random.default_rng(8).uniform(size=(9, 2)))
    density = scoring.highest_density_coverage(np.zeros((9, 7)), np.zeros(9), seed=8)
    assert density.fractions == pytest.approx(np.random.default_rng(8).uniform(size=9))
    box = np.random.default_rng(8).uniform(truth.min(axis=0), truth.max(axis=0), size=truth.shape)
    assert np.array_equal(scoring.draw_references(truth, seed=8), box)


def test_the_area_as_defined_in_the_paper():
    """Of the running sum of the histogram over the range of the fractions: the half above the middle of the grid."""
    samples, truth = draws(20, m=300), 0.5 * draws(20, seed=1)[:, 0]
    references = scoring.draw_references(truth, 0)
    found = scoring.tarp(samples, truth, references, mode="paper", bins=7)
    span = np.ptp(truth, axis=0)
    far = np.linalg.norm((references - truth) / span, axis=1)
    closer = (np.linalg.norm((references[:, None] - samples) / span, axis=2) < far[:, None]).mean(axis=1)
    assert found.fractions == pytest.approx(closer)
    grid = np.linspace(closer.min(), closer.max(), 8)
    coverage = np.r_[0.0, np.cumsum(np.histogram(closer, bins=grid)[0]) / 20]
    assert found.credibility == pytest.approx(grid) and found.coverage == pytest.approx(coverage)
    assert found.area == pytest.approx(((coverage - grid)[4:] * (grid[1] - grid[0])).sum())
    assert found.area != 0 and grid[0] > 0


@pytest.mark.parametrize("call", [scoring.contraction, scoring.mean_error, scoring.variance_ratio, scoring.mmd])
def test_one_draw_has_no_width(call):
    other = np.ones(2) if call is scoring.contraction else draws()
    with pytest.raises(ValueError, match=r"\(6, 1, 2\): allowed is at least 2"):
        call(draws(m=1), other)


SEEN, TIED = ((3.0, 1.0, 2.5, 9.0), (2.0, 0.0, 1.0)), ((1.0, 2.0), (3.0, 0.0, 1.5))


@pytest.mark.parametrize(("shifted", "nominal"), [SEEN, TIED])
def test_the_interval_of_an_area_solves_newcombes_equation(shifted, nominal):
    """At its ends the measured area is 1.96 of Hanley and McNeil's deviations away, with half the rows of each kind."""
    found = scoring.detection_auroc(shifted, nominal)
    pairs = [(a > b) + 0.5 * (a == b) for a in shifted for b in nominal]
    assert found.value == pytest.approx(np.mean(pairs))
    a, b = len(shifted), len(nominal)
    for end in (found.low, found.high):
        more = (a + b) / 2 - 1
        variance = end * (1 - end) * (1 + more * (1 - end) / (2 - end) + more * end / (1 + end)) / (a * b)
        assert abs(found.value - end) == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(variance), rel=1e-6)
    assert found.low < found.value < found.high
    above = [np.mean([(x > y) + 0.5 * (x == y) for y in nominal]) for x in shifted]
    below = [np.mean([(x > y) + 0.5 * (x == y) for x in shifted]) for y in nominal]
    assert found.error == pytest.approx(np.sqrt(np.var(above, ddof=1) / a + np.var(below, ddof=1) / b))


def test_an_exceeded_budget_is_reported_with_its_parts(loaded):
    task = loaded["budget-1000@1.0"]
    cost = {"cpu_seconds": 1, "simulations": 1101, "parameters": 0}
    (problem,) = find_manifest_problems(make_manifest(task, "m", [0], cost, "c", "2026-01-02"))
    told = "cost.simulations = 1101: allowed in budget-1000@1.0 is 1100 at most, 1000 to train on and 100 to validate"
    assert problem == told
    assert find_manifest_problems(make_manifest(task, "m", [0], cost | {"simulations": 1100}, "c", "2026-01-02")) == []


@pytest.mark.parametrize(("length", "shown"), [(78, 80), (79, 80)])
def test_long_values_are_shortened_in_messages(length, shown, loaded):
    cost = {"cpu_seconds": 1, "simulations": 1, "parameters": 0}
    content = make_manifest(loaded["summary-9@1.0"], "m", [0], cost, "c", "x" * length)
    (problem,) = find_manifest_problems(content)
    text = problem.removeprefix("date = ").partition(": allowed")[0]
    assert len(text) == shown and text.endswith("'" if length == 78 else "x...")


@pytest.mark.parametrize("certified", [0, 1, 2, 3])
def test_a_gap_needs_two_certified_references(summary9, certified):
    """Fewer give no error; references that are not certified are counted in a note."""
    seen = summary9.observations
    held = seen.rows("reference")
    samples = prior_samples(summary9)
    known = np.arange(len(held)) < certified
    references = ReferenceSet(
        names=tuple(f"test-{i:06d}" for i in seen.sim_id[held]),
        kinds=("test",) * len(held),
        sim_id=seen.sim_id[held].astype(np.int64),
        samples=samples[held][:, ::-1],
        log_prob_truth=np.zeros(len(held)),
        certified=known,
    )
    energy, log_prob = np.ones(len(samples)), np.ones(len(samples))
    gaps, section, notes = summary9._against(references, samples.astype(float), energy, log_prob)
    assert notes == [f"{100 - certified} of the 100 references are not certified and left out."]
    assert set(gaps) == ({"gap_to_reference", "gap_to_reference_nats"} if certified > 1 else set())
    assert len(section.entries) == (5 if certified > 1 else 0)
    if certified > 1:
        rows = held[:certified]
        ideal = scoring.energy_score(samples[rows].astype(float), seen.theta[rows], summary9.scale)
        assert gaps["gap_to_reference"].value == pytest.approx((1 - ideal).mean())
        assert gaps["gap_to_reference_nats"].value == pytest.approx(-1.0)
        assert (gaps["gap_to_reference"].digits, gaps["gap_to_reference_nats"].digits) == (4, 3)


def test_cases_are_reported_by_their_percentiles(summary9):
    samples = prior_samples(summary9, rows=len(summary9.cases)).astype(float)
    sections = summary9._case_sections(samples, None)
    assert [section.name for section in sections] == list(summary9.cases.names)
    for i, section in enumerate(sections):
        assert section.in_grid and list(section.entries) == ["z", "hits_68", "hits_95", "p16", "p50", "p84"]
        for percent in (16, 50, 84):
            entry = section.entries[f"p{percent}"]
            expected = np.percentile(samples[i], percent, axis=0) / [1e10, 1e11, 1.0]
            assert list(entry.value.values()) == pytest.approx(expected) and entry.digits == 2


@pytest.mark.parametrize("name", ["cpu_seconds", "simulations", "parameters"])
@pytest.mark.parametrize("value", [-1, True, "many", None, float("inf")])
def test_each_cost_is_a_number_from_zero(loaded, name, value):
    cost = {"cpu_seconds": 0, "simulations": 0, "parameters": 0}
    task = loaded["summary-9@1.0"]
    assert find_manifest_problems(make_manifest(task, "m", [0], cost, "c", "2026-01-02")) == []
    (problem,) = find_manifest_problems(make_manifest(task, "m", [0], cost | {name: value}, "c", "2026-01-02"))
    assert problem.startswith(f"cost.{name} = {value!r}: allowed is a")


@pytest.mark.parametrize(("name", "most"), [("method", 80), ("code", 2000)])
def test_a_line_of_text_has_a_maximum_length(loaded, name, most):
    cost = {"cpu_seconds": 0, "simulations": 0, "parameters": 0}
    for length in (1, most, most + 1):
        texts = {"method": "m", "code": "c"} | {name: "x" * length}
        content = make_manifest(loaded["summary-9@1.0"], texts["method"], [0], cost, texts["code"], "2026-01-02")
        assert bool(find_manifest_problems(content)) is (length > most)


def test_the_ends_of_a_central_interval_are_inside():
    samples = np.arange(1.0, 20.0)[None, :, None] * [1.0, -1.0]
    for level, low, high in ((0.5, 5.0, 15.0), (0.9, 1.0, 19.0)):
        for value, inside in ((low, True), (high, True), (low - 1e-6, False), (high + 1e-6, False)):
            found = scoring.hits(samples, [[value, -value]], level)
            assert found.inside.tolist() == [[inside, inside]]
            assert (found.level, found.count.tolist()) == (level, [int(inside)] * 2)
            fraction, _ = scoring.interval_coverage(samples, [[value, -value]], level)
            assert fraction.tolist() == [float(inside)] * 2


def test_the_error_of_a_mean_area_counts_simulations_once(shift):
    """Contributions of the simulations to the mean over the rungs, squared and summed, times n / (n - 1); 500 rows."""
    seen = shift.observations
    statistic = np.random.default_rng(3).normal(size=len(seen)) + 0.3 * np.isin(seen.group, shift.rungs)
    nominal = statistic[seen.rows("test")]
    pull, areas = {}, []
    for group in shift.rungs:
        rows = seen.rows(group)
        wins = (statistic[rows][:, None] > nominal) + 0.5 * (statistic[rows][:, None] == nominal)
        areas.append(wins.mean())
        for row, value in zip(rows, wins.mean(axis=1), strict=True):
            pull[seen.sim_id[row]] = pull.get(seen.sim_id[row], 0) + (value - areas[-1]) / len(rows) / len(shift.rungs)
        for row, value in zip(seen.rows("test"), wins.mean(axis=0), strict=True):
            pull[seen.sim_id[row]] = pull.get(seen.sim_id[row], 0) + (value - areas[-1]) / 500 / len(shift.rungs)
    found = shift._mean_auroc(statistic)
    assert found.value == pytest.approx(np.mean(areas))
    assert found.error == pytest.approx(np.sqrt(500 / 499 * sum(v * v for v in pull.values())))


def test_the_limit_survives_writing_and_reading(tmp_path):
    scores = np.array([0.5, 0.25, 1.0]), np.array([7.0, 8.5, -1.0])
    made = ScoreLimit(np.array([4, 2, 9]), *scores, (0.5, 0.25), (0.125, 2.0))
    write_limit(made, "a network", tmp_path)
    found = load_limit(tmp_path)
    assert (found.energy_score_excess, found.nats_excess) == ((0.5, 0.25), (0.125, 2.0))
    for name in ("sim_id", "energy_score", "neg_log_posterior"):
        assert np.array_equal(getattr(found, name), getattr(made, name))
    few = found.of(np.array([9, 4]))
    assert few.energy_score.tolist() == [1.0, 0.5] and few.neg_log_posterior.tolist() == [-1.0, 7.0]
    assert (few.energy_score_excess, few.nats_excess) == (made.energy_score_excess, made.nats_excess)
    own, nats = np.array([0.4, 0.3, 0.7]), np.array([6.0, 8.0, 0.0])
    entries = compute_gains(found, own, nats)
    for name, best, mine, (excess, error), digits in (
        ("gain_over_limit", made.energy_score, own, made.energy_score_excess, 4),
        ("gain_over_limit_nats", made.neg_log_posterior, nats, made.nats_excess, 3),
    ):
        paired = scoring.paired_difference(best, mine)
        assert entries[name].value == pytest.approx((best - mine).mean() - excess)
        assert entries[name].error == pytest.approx(np.hypot(paired.error, error))
        assert entries[name].digits == digits
    assert set(compute_gains(found, own)) == {"gain_over_limit"}


def test_repeated_draws_count_as_one_place():
    places, mass = density._places(np.array([[0.0, 2.0], [0.0, 1.0], [0.0, 2.0], [1.0, 2.0]]))
    assert places.tolist() == [[0, 1], [0, 2], [1, 2]] and mass == pytest.approx([0.25, 0.5, 0.25])
    places, mass = density._places(np.array([[3.0, 1.0], [1.0, 1.0]]))
    assert sorted(places.tolist()) == [[1, 1], [3, 1]] and mass == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("date", "is_allowed"), [("2025-07-13", False), ("2025-07-14", True), ("2026-01-02", True)])
def test_the_earliest_date_of_an_entry(loaded, date, is_allowed):
    cost = {"cpu_seconds": 0, "simulations": 0, "parameters": 0}
    problems = find_manifest_problems(make_manifest(loaded["summary-9@1.0"], "m", [0], cost, "c", date))
    assert (problems == []) is is_allowed


def test_reports_are_written_for_people(tmp_path):
    report = Report("t@1.0", Section("headline", {"a": Entry(0.5)}))
    report.write(tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text()
    assert text.startswith('{\n  "task": "t@1.0"') and text.endswith("}\n")
