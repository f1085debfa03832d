"""The pictures of a live passage."""

import numpy as np
import pytest

from mwlmc_data import load_live


@pytest.fixture(scope="module")
def live():
    return load_live("gc19-lmc3")


def test_a_row_of_pictures_shows_the_wake_and_the_disc(live):
    figure = live.plot(times=(-0.5, 0.0), width=120)
    figure.draw_without_rendering()
    first, last, bar = figure.axes
    assert (first.get_title(), last.get_title()) == ("0.51 Gyr ago", "today")
    assert first.get_xlim() == (-120, 120)
    change = [ax.collections[0].get_array() for ax in (first, last)]
    # where the LMC has passed the halo is denser, and more so today
    assert change[1].max() > 0.3
    assert np.abs(change[0]).mean() < np.abs(change[1]).mean()
    left = next(line for line in last.lines if line.get_label() == "where it was")
    assert 20 < np.hypot(*left.get_xydata()[0]) < 80
    assert "density" in bar.get_ylabel()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": (0.1,)}, "times"),
        ({"times": (-5.0,)}, "times"),
        ({"times": ()}, "times"),
        ({"width": 0.0}, "width = 0"),
        ({"width": np.nan}, "width = nan"),
    ],
)
def test_bad_input_is_refused(live, options, message):
    with pytest.raises(ValueError, match=message):
        live.plot(**options)


def test_a_live_halo_is_drawn_without_a_rigid_orbit(live):
    halo = live.halo(0.0, 12.0, n_stars=1500)

    def labels(figure):
        return [line.get_label() for line in figure.axes[0].lines]

    assert not any("LMC" in label for label in labels(halo.plot(kernel=30.0)))
    assert any("LMC" in label for label in labels(halo.plot(kernel=30.0, orbit=live.orbit)))
