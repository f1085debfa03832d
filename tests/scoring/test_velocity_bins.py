"""Velocities in cells of distance and sky, against the same computed star by star."""

import math

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.scoring.velocity_bins import COMPONENTS, REGIONS, SETTINGS, BinSetting, reduce_stars
from mwlmc_data.simulator import constants

DEFAULT = SETTINGS["sun"]


@pytest.fixture(scope="module")
def stars():
    halo = mw.load_halo(3)
    return np.concatenate([halo.positions, halo.velocities], axis=1)


def seen_from_the_sun(star):
    """Galactic l, b [deg] and v_los, v_l, v_b relative to the Milky Way's centre, by their definitions."""
    x, y, z = (float(star[i]) - constants.SUN_POSITION[i] for i in range(3))
    vx, vy, vz = map(float, star[3:])
    d, across = math.sqrt(x * x + y * y + z * z), math.hypot(x, y)
    v_los = (x * vx + y * vy + z * vz) / d
    v_l = (x * vy - y * vx) / across
    v_b = (vz * across**2 - z * (x * vx + y * vy)) / (across * d)
    return math.degrees(math.atan2(y, x)), math.degrees(math.asin(z / d)), (v_los, v_l, v_b)


def regions_of(l, b):
    half, side = "north" if b > 0 else "south", "east" if l >= 0 else "west"
    return {"sky", half, f"{half}_{side}"}


def test_cells_hold_what_a_loop_over_the_stars_puts_there(stars):
    cells = {name: [] for name in DEFAULT.cells}
    for star in stars:
        r = math.dist(star[:3].astype(float), (0, 0, 0))
        l, b, velocity = seen_from_the_sun(star)
        for low, high in zip(DEFAULT.edges, DEFAULT.edges[1:], strict=False):
            if low < r <= high:
                for region in regions_of(l, b):
                    cells[f"{low:g}_{high:g}_{region}"].append(velocity)
    found = dict(zip(DEFAULT.names, reduce_stars(stars, **DEFAULT.to_options())["bins"].tolist(), strict=True))
    assert len(found) == 28 * 7 and min(map(len, cells.values())) > 5
    for name, velocities in cells.items():
        assert found[f"n_stars_{name}"] == len(velocities)
        for j, component in enumerate(COMPONENTS["sun"]):
            values = [v[j] for v in velocities]
            mean = sum(values) / len(values)
            sigma = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
            assert found[f"mean_{component}_{name}"] == pytest.approx(mean, abs=2e-4)
            assert found[f"sigma_{component}_{name}"] == pytest.approx(sigma, rel=1e-5)


def test_velocities_seen_from_the_centre_are_galactocentric(stars):
    setting = BinSetting(edges=(50.0, 100.0), regions=("sky",), origin="centre")
    found = reduce_stars(stars, **setting.to_options())["bins"]
    assert setting.names[1:4] == ("mean_v_r_50_100_sky", "mean_v_phi_50_100_sky", "mean_v_theta_50_100_sky")
    x, v = stars[:, :3].astype(float), stars[:, 3:].astype(float)
    r = np.linalg.norm(x, axis=1)
    inside, rho = (r > 50) & (r <= 100), np.hypot(x[:, 0], x[:, 1])
    v_r, v_phi = (x * v).sum(axis=1) / r, (x[:, 0] * v[:, 1] - x[:, 1] * v[:, 0]) / rho
    v_theta = (x[:, 2] * (x[:, 0] * v[:, 0] + x[:, 1] * v[:, 1]) / rho - rho * v[:, 2]) / r
    for j, values in enumerate((v_r, v_phi, v_theta)):
        assert found[1 + j] == pytest.approx(values[inside].mean(), abs=1e-4)
        assert found[4 + j] == pytest.approx(values[inside].std(ddof=1), rel=1e-5)


def test_regions_divide_the_sky(stars):
    counts = reduce_stars(stars, **DEFAULT.to_options())["bins"].reshape(4, 7, 7)[:, :, 0]
    for kind in REGIONS.values():
        places = [DEFAULT.cells.index(f"50_65_{region}") for region in kind]
        assert np.array_equal(counts[:, places].sum(axis=1), counts[:, 0])


@pytest.mark.parametrize(("n", "mean", "sigma"), [(0, 0.0, 0.0), (1, 10.0, 0.0), (2, 15.0, math.sqrt(50))])
def test_cells_with_few_stars_are_finite(n, mean, sigma):
    stars = np.array([[0, 0, 60, 0, 0, 10], [0, 0, 62, 0, 0, 20]], np.float32)[:n]
    setting = BinSetting(edges=(50.0, 100.0), regions=("sky",), origin="centre")
    found = reduce_stars(stars.reshape(-1, 6), **setting.to_options())["bins"]
    assert found[0] == n and found[1] == pytest.approx(mean) and found[4] == pytest.approx(sigma)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"edges": (40.0, 60.0)}, r"edges = \(40\.0, 60\.0\) kpc: allowed are two or more that increase, from 50"),
        ({"edges": (60.0, 60.0)}, "edges = .*allowed are two or more that increase"),
        ({"edges": (60.0,)}, "edges = .*allowed are two or more"),
        ({"regions": ("octants",)}, "regions = 'octants': allowed is"),
        ({"regions": ()}, r"regions = \(\): allowed are one or more"),
        ({"origin": "lmc"}, "origin = 'lmc': allowed is"),
    ],
)
def test_settings_are_checked(wrong, words):
    with pytest.raises(ValueError, match=words):
        BinSetting(**wrong)
