"""A live run in rows: resumed after a kill, and files that it refuses."""

import numpy as np
import pytest

from mwlmc_data import Parameters, integrate_orbit
from mwlmc_data.live import running
from mwlmc_data.live.running import read_arrays, run
from mwlmc_data.live.settings import MAX_NOISE, estimate_noise, make_settings
from mwlmc_data.live.start import make_galaxies, start_state
from mwlmc_data.live.track import LAGRANGE, split_rows, stack_rows
from mwlmc_data.simulator.streams import live_stream
from mwlmc_data.storage.npz import NpzError

PARAMETERS = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)
SETTINGS = make_settings(24_000, 1, rows=6, steps=2, span=0.05)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def start():
    return integrate_orbit(PARAMETERS, 2).relative[0]


def kill_at(row):
    seen = []

    def on_row():
        seen.append(1)
        if len(seen) == row:
            raise KilledError

    return on_row


@pytest.fixture
def unfinished(start, tmp_path, monkeypatch):
    """The file of a run that was killed in its fifth row."""
    monkeypatch.setattr(running, "PAUSE", -1.0)
    path = tmp_path / "run.npz"
    with pytest.raises(KilledError):
        run(make_galaxies(PARAMETERS), start, SETTINGS, path, on_row=kill_at(5))
    return path


def test_a_killed_run_goes_on_to_the_same_bits(start, unfinished):
    galaxies, counted = make_galaxies(PARAMETERS), []
    resumed, rows = run(galaxies, start, SETTINGS, unfinished, on_row=lambda: counted.append(1))
    straight, all_rows = run(galaxies, start, SETTINGS)
    assert len(counted) == 3  # of seven rows four were in the file
    np.testing.assert_array_equal(resumed.positions, straight.positions)
    np.testing.assert_array_equal(resumed.velocities, straight.velocities)
    for one, other in zip(rows, all_rows, strict=True):
        for found, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda: (PARAMETERS, SETTINGS._replace(seed=2)), "settings"),
        (lambda: (Parameters(m200_mw=1.1e12, m_lmc=1.5e11, log10_lambda_df=-0.3), SETTINGS), "galaxies"),
        (lambda: (Parameters(m200_mw=1e12, m_lmc=1.6e11, log10_lambda_df=-0.3), SETTINGS), "galaxies"),
    ],
)
def test_the_file_of_another_run_is_refused(start, unfinished, change, what):
    parameters, settings = change()
    with pytest.raises(ValueError, match=rf"checkpoint = .* holds another run \({what} .*allowed is the file of this"):
        run(make_galaxies(parameters), start, settings, unfinished)
    with pytest.raises(ValueError, match=r"holds another run \(start"):
        run(make_galaxies(PARAMETERS), start + 0.1, SETTINGS, unfinished)


def test_a_cut_file_is_refused(start, unfinished):
    content = unfinished.read_bytes()
    for size in (0, 100, len(content) // 2, len(content) - 1):
        unfinished.write_bytes(content[:size])
        with pytest.raises(NpzError):
            run(make_galaxies(PARAMETERS), start, SETTINGS, unfinished)


def test_a_file_of_another_version_is_refused(start, unfinished, monkeypatch):
    monkeypatch.setattr(running, "LIVE_VERSION", "2.0.0")
    with pytest.raises(NpzError, match=r"of version 1\.0\.0: allowed is 2\.0\.0; run it again"):
        run(make_galaxies(PARAMETERS), start, SETTINGS, unfinished)


def test_a_foreign_file_is_refused(tmp_path):
    np.savez(tmp_path / "foreign.npz", a=np.arange(3))
    with pytest.raises(NpzError, match="there is no live run in it"):
        read_arrays(tmp_path / "foreign.npz")


def test_too_few_particles_are_refused_with_the_number_that_is_enough(start):
    galaxies = make_galaxies(PARAMETERS)
    with pytest.raises(ValueError, match=r"particles = 5000, .* allowed is at least \d+ here") as caught:
        run(galaxies, start, SETTINGS._replace(particles=5000))
    needed = int(str(caught.value).split("at least ")[1].split()[0])
    state = start_state(galaxies, start, needed, live_stream(1))
    assert estimate_noise(state, galaxies.body) == pytest.approx(MAX_NOISE, rel=0.02)


def test_rows_say_what_the_state_is(start):
    galaxies = make_galaxies(PARAMETERS)
    _, rows = run(galaxies, start, SETTINGS)
    first, last = rows[0], rows[-1]
    np.testing.assert_allclose(first.lmc[:3] - start[:3], 0, atol=0.5)
    assert last.time == pytest.approx(0.05 / 0.977792221680789)
    np.testing.assert_allclose(last.lmc[:3], start[:3] + last.time * start[3:], atol=1.0)
    bound, inner, outer, milky_way = first.masses
    assert inner == pytest.approx(1.7e10, rel=0.03)
    assert inner < outer < bound < 1.5e11
    assert milky_way == pytest.approx(np.interp(50, galaxies.halo.radius, galaxies.halo.mass) + 6.2e10, rel=0.02)
    expected = np.interp(np.array(LAGRANGE) * galaxies.halo.mass[-1], galaxies.halo.mass, galaxies.halo.radius)
    np.testing.assert_allclose(first.lagrange, expected, rtol=0.03)
    assert np.isfinite(first.checks).all()
    assert np.isnan(rows[1].checks).all()
    again = split_rows(stack_rows(rows))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(again[3], rows[3], strict=True))
