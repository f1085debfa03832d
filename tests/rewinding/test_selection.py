"""Which stars are observed: shells, footprints, a random part."""

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mwlmc_data as mw
from mwlmc_data.rewinding.healpix import find_pixels
from mwlmc_data.rewinding.selection import estimate_fraction
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.distribution import GAMMA
from mwlmc_data.simulator.frames import sky_basis

#: nside, l, b and the pixel that astropy-healpix 1.1 gives in ring order.
PIXELS = [
    (1, 45.0, 60.0, 0), (1, 10.0, 0.0, 4), (1, 300.0, -70.0, 11), (2, 123.4, 12.3, 15), (3, 150.0, -5.0, 53),
    (4, 271.5, -41.9, 164), (4, 0.1, 89.9, 0), (64, 200.7, 33.3, 11023), (64, 359.99, -89.99, 49151),
    (64, 80.9, -32.5, 37817), (1024, 266.4, -28.9, 9335767), (1024, 12.34, 56.78, 1026842),
]  # fmt: skip


def place(l, b, distance):
    return const.SUN_POSITION + distance * sky_basis(l, b)[..., 0, :]


@pytest.mark.parametrize(("nside", "l", "b", "pixel"), PIXELS)
def test_pixels_are_those_of_healpix(nside, l, b, pixel):
    assert find_pixels(nside, np.array([l, l - 360.0]), np.array([b, b])).tolist() == [pixel, pixel]


@given(nside=st.sampled_from([1, 2, 5, 16, 8192]), l=st.floats(0, 360), b=st.floats(-90, 90))
def test_every_direction_has_a_pixel(nside, l, b):
    pixel = find_pixels(nside, np.array([l]), np.array([b]))[0]
    assert 0 <= pixel < 12 * nside**2
    # the rings run from north to south
    assert (pixel < 6 * nside**2 + 2 * nside) or b < 0.1 + 60.0 / nside


def test_pixels_have_equal_areas():
    rng = np.random.default_rng(1)
    l, b = rng.uniform(0, 360, 480_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 480_000)))
    counts = np.bincount(find_pixels(4, l, b), minlength=192)
    assert abs(counts - 2500.0).max() < 5.0 * 50.0


def test_a_shell_is_galactocentric_and_open():
    selection = mw.Selection(r_min=50.0, r_max=80.0)
    x = [[50.0, 0.0, 0.0], [0.0, 50.001, 0.0], [0.0, 0.0, -79.9], [80.0, 0.0, 0.0], [0.0, 0.0, 5.0]]
    assert selection.compute_completeness(x).tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert mw.Selection(r_min=50 * u.kpc, r_max=0.08 * u.Mpc).r_max == pytest.approx(80.0)


def test_a_footprint_is_seen_from_the_sun():
    asked = []

    def footprint(l, b):
        asked.append((l, b))
        return (l > 180.0) & (b > 10.0)

    selection = mw.Selection(footprint=footprint)
    x = [place(200.0, 20.0, 70.0), place(170.0, 20.0, 70.0), place(200.0, 9.0, 70.0), place(359.0, 11.0, 90.0)]
    assert selection.compute_completeness(x).tolist() == [1.0, 0.0, 0.0, 1.0]
    assert asked[0][0] == pytest.approx([200.0, 170.0, 200.0, 359.0]) and asked[0][1][0] == pytest.approx(20.0)


def test_a_map_gives_the_value_of_its_pixel():
    values = np.linspace(0.0, 1.0, 12 * 4**2)
    selection = mw.Selection(footprint=values)
    l, b = np.array([12.0, 340.0, 100.0]), np.array([-20.0, 70.0, -80.0])
    found = selection.compute_completeness(place(l, b, 100.0))
    assert found == pytest.approx(values[find_pixels(4, l, b)])
    booleans = mw.Selection(footprint=values > 0.5).compute_completeness(place(l, b, 100.0))
    assert booleans.tolist() == (found > 0.5).astype(float).tolist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"r_min": -1.0}, "r_min = -1.0: allowed is"),
        ({"r_min": np.nan}, "r_min = nan"),
        ({"r_min": 60.0, "r_max": 60.0}, "r_max = 60: allowed is more than r_min = 60 kpc"),
        ({"r_min": 3 * u.s}, "r_min = .*: allowed is"),
        ({"fraction": 0.0}, "fraction = 0.0: allowed is"),
        ({"fraction": 1.1}, "fraction = 1.1: allowed is"),
        ({"footprint": np.ones(13)}, "footprint = 13 pixels: allowed are 12 nside"),
        ({"footprint": np.full(12, 1.5)}, r"footprint\[0\] = 1.5 \(and 11 more of 12\): allowed is"),
        ({"footprint": "north"}, "footprint = "),
    ],
)
def test_bad_selections_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        mw.Selection(**options)


@pytest.mark.parametrize(
    "answer", [lambda l, b: True, lambda l, b: l[:1] > 0, lambda l, b: np.full(len(l), "a"), lambda l, b: 2.0 + 0.0 * l]
)
def test_a_footprint_that_does_not_answer_for_every_star_is_refused(answer):
    with pytest.raises(ValueError, match=r"footprint\(l, b\)"):
        mw.Selection(footprint=answer).compute_completeness([[60.0, 0.0, 0.0], [0.0, 60.0, 0.0]])


def test_digests_tell_selections_apart_by_what_they_select():
    def north(l, b):
        return b > 0

    same = mw.Selection(footprint=lambda l, b: b > 0.0)
    assert mw.Selection(footprint=north).compute_digest() == same.compute_digest()
    others = [
        mw.Selection(),
        mw.Selection(r_min=51.0),
        mw.Selection(r_max=300.0),
        mw.Selection(fraction=0.5),
        mw.Selection(footprint=lambda l, b: b > 3.0),
        mw.Selection(footprint=np.ones(12)),
        mw.Selection(footprint=np.ones(48)),
    ]
    assert len({same.compute_digest(), *(other.compute_digest() for other in others)}) == 8


def test_the_first_guess_is_the_dehnen_profile():
    """Mass within r of rho ~ r^-1 (r + a)^-3 is (r / (r + a))^2."""
    assert GAMMA == 1.0
    r = np.linspace(50.0, 80.0, 20_001)
    density = 2.0 * 12.0 * r / (r + 12.0) ** 3
    expected = np.sum(0.5 * (density[1:] + density[:-1]) * np.diff(r))
    assert estimate_fraction(mw.Selection(r_min=50.0, r_max=80.0), 12.0) == pytest.approx(expected, rel=1e-6)
    assert estimate_fraction(mw.Selection(r_min=0.0), 12.0) == 1.0


def test_masks_of_a_footprint_are_refused_and_its_map_is_kept():
    sky = np.ones(12, dtype=bool)
    with pytest.raises(ValueError, match="footprint = 1 masked or missing value of 12"):
        mw.Selection(footprint=np.ma.array(sky, mask=[True] + [False] * 11))
    hiding = mw.Selection(footprint=lambda l, b: np.ma.array(np.ones(len(l)), mask=np.ones(len(l), dtype=bool)))
    with pytest.raises(ValueError, match=r"footprint\(l, b\) = 1 masked or missing value"):
        hiding.compute_completeness([[60.0, 0.0, 0.0]])
    whole = np.ones(12)
    selection = mw.Selection(footprint=whole)
    whole[:] = 0.0
    assert selection.compute_completeness([[60.0, 0.0, 0.0]]).tolist() == [1.0]


def test_a_table_of_places_is_taken_by_name():
    table = pd.DataFrame({"z": [0.0, 80.0], "y": [0.0, 0.0], "x": [80.0, 0.0]})
    north = mw.Selection(r_min=50.0, footprint=lambda l, b: b > 30.0)
    np.testing.assert_array_equal(north.compute_completeness(table), [0.0, 1.0])
    np.testing.assert_array_equal(north.compute_completeness(table[["x", "y", "z"]].to_numpy()), [0.0, 1.0])
