"""Fits of published samples beside the published ones, on tables of their form."""

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.studies import published_stars
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import sky_basis

VECTOR = np.array([20.0, -10.0, -40.0])


def stars(n=400, seed=0):
    """Positions 45 to 60 kpc from the Sun, as in the published tables, and observables of a hot, moving halo."""
    rng = np.random.default_rng(seed)
    l, b, d = rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(52, 70, n)
    basis = sky_basis(l, b)
    x = np.array(published_stars.SUN_POSITION) + d[:, None] * basis[:, 0]
    v = rng.normal(0, 60, (n, 3)) - VECTOR
    speeds = np.einsum("nki,ni->nk", basis, v - np.array(published_stars.SUN_VELOCITY))
    k = const.KMS_PER_MASYR_KPC * d
    observed = [l, b, d, speeds[:, 0], speeds[:, 1] / k, speeds[:, 2] / k]
    errors = [0.01 * d, np.full(n, 1.0), np.full(n, 0.01), np.full(n, 0.01)]
    return np.vstack([x.T, v.T, observed, errors])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "reflex").mkdir()
    giants = stars()
    np.savetxt(tmp_path / "reflex" / "kgiants_yaaqib24_r50.txt", np.vstack([giants, np.zeros(giants.shape[1])]))
    # Stars that the survey does not see, and stars within 40 kpc, are not fitted: these move at 500 km/s.
    unseen, near = stars(300, 1), stars(300, 2)
    unseen[9:12] += 500.0
    near[9:12] += 500.0
    near[:3] /= 2.5
    table = np.hstack([np.vstack([part, np.zeros((2, part.shape[1]))]) for part in (stars(seed=3), unseen, near)])
    seen = np.r_[np.ones(400), np.zeros(300), np.ones(300)]
    np.savetxt(tmp_path / "reflex" / "mock_live_s14.txt.gz", np.vstack([table, seen]).T, header="columns", comments="")
    return tmp_path


def test_available_samples_are_fitted(folder):
    fits = published_stars.compare(folder)
    giants, first, mock = fits
    assert giants == "253 K giants (Yaaqib et al. 2024)"
    assert (first, mock) == ("N-body mock, its first 15,000 rows", "N-body mock, all of its 35,000 rows")
    for fit in fits.values():
        assert fit.n_stars == 400
        assert np.abs((fit.vector - VECTOR) / np.sqrt(np.diag(fit.covariance)[:3])).max() < 4
    text = published_stars.describe(fits)
    fit = fits[giants]
    assert f"{fit.v_travel:.1f} +- {fit.errors['v_travel']:.1f} (40 +- 7)" in text
    assert f"{fits[mock].l_apex % 360:.1f} +- " in text and "(348 +- 18)" in text


def test_the_published_mock_is_the_beginning_of_its_table(folder):
    """Of a table of 15,200 rows with 400 stars in the footprint, half of them at the end, 200 are in the first fit."""
    inside = np.vstack([stars(seed=4), np.zeros((2, 400)), np.ones(400)])
    outside = np.repeat(inside[:, :1], 14_800, axis=1) * np.r_[np.ones(18), 0.0][:, None]
    table = np.hstack([inside[:, :200], outside, inside[:, 200:]])
    np.savetxt(folder / "reflex" / "mock_live_s14.txt.gz", table.T, fmt="%.6g", header="columns", comments="")
    fits = published_stars.compare(folder)
    assert fits["N-body mock, its first 15,000 rows"].n_stars == 200
    assert fits["N-body mock, all of its 35,000 rows"].n_stars == 400


def test_another_form_is_refused(folder):
    path = folder / "reflex" / "kgiants_yaaqib24_r50.txt"
    np.savetxt(path, np.ones((5, 30)))
    with pytest.raises(ValueError, match=r"yaaqib24_r50.txt = 5: allowed is 17"):
        published_stars.compare(folder)
    path.unlink()
    np.savetxt(folder / "reflex" / "mock_live_s14.txt.gz", np.ones((5, 3)), header="columns", comments="")
    with pytest.raises(ValueError, match=r"mock_live_s14.txt.gz = 3: allowed is 19 or more"):
        published_stars.compare(folder)


def test_a_footprint_is_compared_with_its_rule(tmp_path):
    assert published_stars.compare_footprint(tmp_path) == ""
    (tmp_path / "sky").mkdir()
    north = np.zeros(12288, bool)
    north[: 2 * 8 * 9] = True  # the first eight rings: b above 76 degrees, within the rule
    np.save(tmp_path / "sky" / published_stars.FOOTPRINT, north)
    text = published_stars.compare_footprint(tmp_path, n=20_000)
    assert "100.0% of the map is within the rule" in text and "DESI's map 1." in text


def test_the_program_prints_both_tables_where_both_are(folder, reference, capsys):
    (folder / "agama").symlink_to(reference / "agama")
    assert main(["accuracy", "--reference", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "travel vector [km/s]" in out and "253 K giants (Yaaqib et al. 2024)" in out and "558" not in out
