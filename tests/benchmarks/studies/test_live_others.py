"""Files of other suites are read in their units; one of their runs, from a dozen numbers."""

import gzip

import numpy as np
import pytest

from benchmarks.studies import live_others as module
from mwlmc_data.live.spheres import hernquist_sphere
from mwlmc_data.simulator import constants as const


def write_model(path, mass, scale):
    """A Hernquist sphere as EXP writes one."""
    radius = np.geomspace(1e-6, 20, 3000)
    density = mass * scale / (2 * np.pi * radius * (radius + scale) ** 3)
    table = np.c_[radius, density, mass * radius**2 / (radius + scale) ** 2, -mass / (radius + scale)]
    lines = ["! a comment", "! R D M P", str(len(table)), *(" ".join(f"{x:.10e}" for x in row) for row in table)]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines) + "\n")


def test_a_model_is_read_in_its_units(tmp_path):
    write_model(tmp_path / "ErkalLMC.model.gz", 0.15, 0.07)
    found = module.read_model(tmp_path / "ErkalLMC.model.gz")
    expected = hernquist_sphere(0.15 * module.MASS, 0.07 * module.LENGTH)
    inside = expected.radius > 0.1  # the table begins at 3e-4 kpc
    np.testing.assert_allclose(found.mass[inside], expected.mass[inside], rtol=2e-3)
    # 282 kpc (190 / 1.4 km/s)^2 / G
    assert pytest.approx(1.2076e12, rel=1e-3) == module.MASS


def test_centres_are_read_up_to_today(tmp_path):
    time = np.array([0.1, 0.6, 1.19925, 1.3])
    table = np.c_[time, np.outer(time, [1, 2, 3]), np.outer(time, [0.1, 0.2, 0.3])]
    with gzip.open(tmp_path / "track.gz", "wt") as file:
        file.write("4\n" + "\n".join(" ".join(map(str, row)) for row in table))
    found = module.read_centres(tmp_path / "track.gz")
    assert len(found) == 3
    assert (found[-1, 0] - found[0, 0]) * const.GYR_PER_TIME_UNIT == pytest.approx(2.233, abs=1e-3)
    np.testing.assert_allclose(found[-1, 1:4], 282 * 1.19925 * np.array([1, 2, 3]))
    np.testing.assert_allclose(found[-1, 4:], 190 / 1.4 * 1.19925 * np.array([0.1, 0.2, 0.3]))
