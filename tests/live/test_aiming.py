"""The search for the start: it converges, and says so where it does not."""

import dataclasses

import numpy as np
import pytest

from mwlmc_data import Parameters, integrate_orbit
from mwlmc_data.live import aiming
from mwlmc_data.live.aiming import GOOD_MISS, aim, refuse_start

PARAMETERS = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)


@dataclasses.dataclass
class LastRow:
    lmc: np.ndarray
    body: np.ndarray


def stand_in(noise=0.0, seed=0, shift=0.0):
    """In place of a live run: the rigid pair's inverse, with other friction, less sensitive, and with noise."""
    other = PARAMETERS.replace(log10_lambda_df=0.1)
    present = PARAMETERS.lmc_phase_space
    start = integrate_orbit(other, 2).relative[0]
    derivative = np.linalg.inv(aiming._differentiate(PARAMETERS, present))
    rng = np.random.default_rng(seed)

    def run(galaxies, at, settings, on_row=None):
        moved = 1.6 * derivative @ (at - start)
        moved = moved + 2e-4 * moved * np.abs(moved)
        scatter = noise * rng.normal(size=6) * [1, 1, 1, 5, 5, 5]
        return None, [LastRow(present + moved + scatter + shift, np.zeros(6))]

    return run


def test_the_search_converges(monkeypatch):
    monkeypatch.setattr(aiming, "run", stand_in())
    found = aim(PARAMETERS)
    sizes = np.linalg.norm(found.misses[:, :3], axis=1)
    assert sizes[0] > 5
    assert sizes[-1] < GOOD_MISS[0]
    assert np.linalg.norm(found.misses[-1, 3:]) < GOOD_MISS[1]
    assert 2 <= len(sizes) <= aiming.MAX_SHOTS


@pytest.fixture
def anywhere(monkeypatch):
    """Starts may be anywhere."""
    monkeypatch.setattr(aiming, "_describe_refusal", lambda start, parameters: "")


def test_the_search_learns_the_derivative(anywhere, monkeypatch):
    """A linear pair, whose derivative is another than the first guess."""
    forward = np.eye(6) + 0.3 * np.random.default_rng(4).standard_normal((6, 6))
    truth = np.array([10.0, -20.0, 5.0, 40.0, -80.0, 60.0])

    def search_on(n):
        search = aiming.Search(np.zeros(6), np.eye(6))
        for _ in range(n):
            miss = forward @ (search.start - truth)
            search.learn(miss)
            search.correct(PARAMETERS)
        return np.linalg.norm(miss / aiming._SCALES)

    assert search_on(1) > 100 and search_on(10) < 0.3
    with monkeypatch.context() as patch:
        patch.setattr(aiming, "_LEARNT", np.inf)
        assert search_on(10) > 10, "the first guess alone leads nowhere"


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_a_correction_that_leads_far_away_is_taken_back_and_shortened(anywhere, factor):
    """Also one that is so long that it is cut."""
    search = aiming.Search(np.zeros(6), factor * np.eye(6))
    search.learn(np.array([10.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    search.correct(PARAMETERS)
    length = min(10.0 * factor, 60.0)
    np.testing.assert_allclose(search.start, [-length, 0, 0, 0, 0, 0])
    search.learn(np.array([10.0, 25.0, 0.0, 0.0, 0.0, 0.0]))
    search.correct(PARAMETERS)
    start, miss = search.best
    np.testing.assert_allclose((start, miss), (np.zeros(6), [10.0, 0, 0, 0, 0, 0]))
    step = -search.derivative @ miss
    np.testing.assert_allclose(search.start, 0.4 * step * min(1.0, 60.0 / np.linalg.norm(step / aiming._SCALES)))


def test_a_correction_to_a_start_that_cannot_be_is_shortened_until_it_can():
    search = aiming.Search(np.array([100.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 3.0 * np.eye(6))
    search.learn(np.array([18.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    search.correct(PARAMETERS)
    assert search.start[0] == pytest.approx(100.0 - 0.4 * 54.0), "46 kpc is too near"
    with pytest.raises(aiming.MissedError, match=r"miss = \[nan.*allowed are numbers"):
        search.learn(np.full(6, np.nan))


def test_a_looser_search_ends_earlier(monkeypatch):
    monkeypatch.setattr(aiming, "run", stand_in())
    strict = aim(PARAMETERS).misses
    place, motion = (np.linalg.norm(strict[-2, part]) for part in (slice(3), slice(3, None)))
    loose = aim(PARAMETERS, good=(1.01 * place, 1.01 * motion), worst=(10.0, 60.0)).misses
    np.testing.assert_array_equal(loose, strict[: len(loose)])
    assert len(loose) < len(strict)


def test_noise_does_not_mislead_it(monkeypatch):
    for seed in range(5):
        monkeypatch.setattr(aiming, "run", stand_in(0.3, seed))
        found = aim(PARAMETERS)
        true = stand_in()(None, found.start, None)[1][0].lmc - PARAMETERS.lmc_phase_space
        assert np.linalg.norm(true[:3]) < 1.5
        assert np.linalg.norm(true[3:]) < 8


def test_an_lmc_that_misses_is_an_error_with_the_miss(monkeypatch):
    monkeypatch.setattr(aiming, "run", stand_in(30.0))
    with pytest.raises(ValueError, match=r"misses its present day by [\d.]+ kpc and \d+ km/s after \d+ shots: allowed"):
        aim(PARAMETERS)
    assert len(aim(PARAMETERS, worst=(100.0, 500.0)).misses) == aiming.MAX_SHOTS


@pytest.mark.parametrize(("distance", "remedy"), [(20.0, "a larger"), (1500.0, "a smaller")])
def test_a_start_that_cannot_be_is_refused(distance, remedy):
    start = np.array([0.0, distance, 0.0, 0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=rf"start = an LMC {distance:.0f} kpc .* from 60 to 1000 kpc.*{remedy}"):
        refuse_start(start, PARAMETERS)


def test_a_present_day_from_beyond_the_halo_is_refused_before_any_run():
    fast = Parameters(
        m200_mw=5e11, m_lmc=1e11, log10_lambda_df=1.0,
        x_lmc=0.0, y_lmc=-40.0, z_lmc=-30.0, vx_lmc=0.0, vy_lmc=-500.0, vz_lmc=500.0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="allowed is from 60 to 1000 kpc"):
        aim(fast, 20_000)
