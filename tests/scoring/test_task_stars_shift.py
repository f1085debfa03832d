"""The task of shifted stars: what each rung changes and leaves, and that scores see it."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import library, made, schema
from mwlmc_data.scoring import star_ladders as ladders
from mwlmc_data.scoring.tasks import stars_shift
from mwlmc_data.scoring.tasks.shifted import NOMINAL
from tests.helpers.example_entries import SHORT, prior_samples


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path))
    task = mw.get_task("stars-shift")
    task.n_draws = SHORT
    return task


@pytest.fixture
def forbidden(monkeypatch):
    monkeypatch.setattr(made, "_make", lambda *a: pytest.fail("haloes were simulated"))


@pytest.fixture(scope="module")
def halo():
    """A halo as it is and in every rung: sim_id, its stars beyond 50 kpc, the rungs by name."""
    sim_id = int(stars_shift.test_ids(stars_shift.RUNG_ROWS)[3])
    rows, seed = library.get_recipe(library.Chunk((sim_id,)), "gaussian", None)
    (rungs,) = ladders.simulate_rungs(rows, seed)
    (outer,) = made.simulate_outer_stars(rows, seed)
    return rows[0], outer.astype(float), {name: stars.astype(float) for name, stars in rungs.items()}


def radius(stars):
    return np.linalg.norm(stars[:, :3], axis=1)


def sky(stars):
    """Direction from the Sun, distance, v_los, and the vector of the proper motion [km/s/kpc]."""
    from mwlmc_data.simulator.constants import SUN_POSITION, SUN_VELOCITY

    x, v = stars[:, :3] - SUN_POSITION, stars[:, 3:] - SUN_VELOCITY
    distance = np.linalg.norm(x, axis=1, keepdims=True)
    along = (x / distance * v).sum(axis=1, keepdims=True)
    return x / distance, distance[:, 0], along[:, 0], (v - along * x / distance) / distance


def test_observations_are_rows_of_the_test_split(task, forbidden):
    seen = task.observations
    assert seen.groups == (NOMINAL, *ladders.WHAT) and len(ladders.WHAT) == 13
    assert [len(seen.rows(group)) for group in seen.groups] == [500] + [50] * 13
    assert set(schema.split_of(seen.sim_id)) == {"test"}
    assert set(seen.sim_id) == set(seen.sim_id[seen.rows(NOMINAL)]), "a rung is compared with its own rows too"
    plain = mw.get_task("shift").observations
    assert np.array_equal(seen.sim_id[:500], plain.sim_id[:500]) and np.array_equal(seen.theta[:500], plain.theta[:500])
    truth = mw.load_catalogue("test", columns=["sim_id", "m200_mw"], format="numpy")
    for group in ladders.WHAT:
        places = np.searchsorted(truth["sim_id"], seen.sim_id[seen.rows(group)])
        assert np.array_equal(seen.theta[seen.rows(group), 1], truth["m200_mw"][places])


def test_every_rung_is_far_and_is_no_copy(halo):
    _, outer, rungs = halo
    assert set(rungs) == set(ladders.WHAT)
    for name, stars in rungs.items():
        assert len(stars) > 1024 and (radius(stars) > 50.0 - 1e-4).all(), name
        n = min(len(stars), len(outer))
        assert (stars[:n] != outer[:n]).any(axis=1).mean() > 0.02, name


@pytest.mark.parametrize(("name", "share"), [*ladders.CONTAMINATION.items(), *ladders.STREAM.items()])
def test_a_part_of_the_stars_is_replaced_and_the_others_stay(halo, name, share):
    _, outer, rungs = halo
    changed = (rungs[name] != outer).any(axis=1)
    assert abs(changed.mean() - share) < 4 * np.sqrt(share / len(outer))
    new = rungs[name][changed]
    if name.startswith("stream"):
        # along an orbit: each has a near neighbour in phase space
        gap = np.abs(new[:, None, :3] - new[None, :, :3]).max(axis=2) + 1e9 * np.eye(len(new))
        assert np.median(gap.min(axis=1)) < 4.0
        assert np.linalg.norm(np.cross(new[:, :3], new[:, 3:]).mean(axis=0)) > 0.0
    else:
        assert (radius(new) < 150.1).all() and abs(new[:, 3:].std() - 150.0) < 30.0
        assert np.abs(new[:, 3:].mean(axis=0)).max() < 4.5 * 150.0 / np.sqrt(len(new))
    smaller = rungs[name.replace("-20", "-5")]
    assert set(np.flatnonzero((smaller != outer).any(axis=1))) <= set(np.flatnonzero(changed)), "rungs nest"


def test_profiles_are_steeper_and_shallower(halo):
    row, outer, rungs = halo
    assert 10.0 <= row["r_dehnen"] <= 15.0
    assert len(rungs["tracer-steep"]) < len(outer) < len(rungs["tracer-shallow"])
    assert np.median(radius(rungs["tracer-steep"])) < np.median(radius(rungs["tracer-shallow"]))


@pytest.mark.parametrize(("name", "factor"), ladders.DISTANCE.items())
def test_distances_are_wrong_and_nothing_else_on_the_sky(halo, name, factor):
    _, outer, rungs = halo
    direction, distance, v_los, motion = sky(rungs[name])
    back = ladders.scale_distances(rungs[name], 1.0 / factor)
    again = sky(back)
    for found, right in zip(again, (direction, distance / factor, v_los, motion), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9)
    # the stars that are beyond 50 kpc either way are those of the halo
    ours = {tuple(np.round(star, 2)) for star in outer}
    inside = back[radius(back) > 51.0]
    assert np.mean([tuple(np.round(star, 2)) in ours for star in inside]) > 0.97


def test_errors_have_their_sizes(halo):
    rng = np.random.default_rng(1)
    stars = np.hstack([100.0 * ladders.Deviates(5, 9).directions(20_000), 100.0 * rng.normal(size=(20_000, 3))])
    direction, distance, v_los, motion = sky(stars)
    for size in ladders.ERRORS.values():
        seen = sky(ladders.add_errors(stars, size, ladders.Deviates(7, 2)))
        np.testing.assert_allclose(seen[0], direction, atol=1e-9)
        assert np.std(seen[1] / distance) == pytest.approx(0.05 * size, rel=0.03)
        assert np.std(seen[2] - v_los) == pytest.approx(5.0 * size, rel=0.03)
        across = (seen[3] - motion) / 4.740470463533349
        assert np.sqrt((across**2).sum(axis=1).mean() / 2) == pytest.approx(0.025 * size, rel=0.03)


def test_what_is_random_depends_on_the_simulation_alone():
    first, again, other = (ladders.Deviates(i, 0).normal(50) for i in (4, 4, 5))
    assert np.array_equal(first, again) and not np.isin(first, other).any()
    assert abs(ladders.Deviates(1, 1).uniform(20_000).mean() - 0.5) < 0.01


def test_stars_are_made_once_and_shared_with_the_tasks_of_stars(task, monkeypatch):
    monkeypatch.setattr(stars_shift, "NOMINAL_ROWS", slice(7, None, 5000))
    monkeypatch.setattr(stars_shift, "RUNG_ROWS", slice(7, None, 5000))
    x = task.observations.x
    assert len(x) == len(task.observations) == 2 * 14 and x.mask.all()
    wide = mw.get_task("stars-budget-1000")
    table = mw.load_catalogue("test", columns=["sim_id", *schema.LMC_VECTOR], format="numpy")
    rows = np.searchsorted(table["sim_id"], task.observations.sim_id[:2])
    own = wide.make_data(task.observations.sim_id[:2], {name: values[rows] for name, values in table.items()})
    assert np.array_equal(own.stars, x.stars[:2]) and np.array_equal(own.lmc, x.lmc[:2])
    for group in range(1, 14):
        assert np.array_equal(x.lmc[2 * group : 2 * group + 2], own.lmc)
    monkeypatch.setattr(made, "_make", lambda *a: pytest.fail("haloes were simulated again"))
    assert np.array_equal(type(task)().observations.x.stars, x.stars)


def test_a_score_needs_no_stars_and_sees_a_shift(task, forbidden):
    seen, rng = task.observations, np.random.default_rng(2)
    samples = prior_samples(task)
    nothing = task.score(samples)
    assert abs(nothing["headline"]["gain_over_prior"]["value"]) < 5 * nothing["headline"]["gain_over_prior"]["error"]
    assert "limit" not in nothing["scores"] and any("stream-20" in note for note in nothing["notes"])
    statistic = rng.normal(size=len(seen)) + 3.0 * (seen.group == "stream-20")
    report = task.score(samples, statistic=statistic)
    assert report["scores"]["stream-20"]["auroc_statistic"]["value"] > 0.95
    assert abs(report["scores"]["stream-5"]["auroc_statistic"]["value"] - 0.5) < 0.2
    assert report["headline"]["auroc_statistic"]["value"] == pytest.approx(0.5 + 0.48 / 13, abs=0.06)


def test_draws_in_a_plane_are_scored(task, forbidden):
    """Nearly all at the edge of the support, as of a network far from its training set."""
    samples = prior_samples(task)
    row = int(task.observations.rows("errors-2")[0])
    high = np.float32(task.prior.support["m_lmc"][1])
    samples[row, 1:, 0] = high
    samples[row, :, 2] = samples[row, :, 1] * np.float32(2.0**-44)
    volume = task.score(samples)["scores"]["errors-2"]["auroc_volume"]["value"]
    assert 0.0 <= volume <= 1.0
