"""Files of other suites are read in their units; one of their runs, from a dozen numbers."""

import gzip

import numpy as np
import pytest

from benchmarks.studies.live import others as module
from mwlmc_data.live.spheres import hernquist_sphere
from mwlmc_data.simulator import constants as const


def write_model(path, mass, scale):
    """A Hernquist sphere as EXP writes one."""
    radius = np.geomspace(1e-6, 20, 3000)
    density = mass * scale / (2 * np.pi * radius * (radius + scale) ** 3)
    table = np.c_[radius, density, mass * radius**2 / (radius + scale) ** 2, -mass / (radius + scale)]
    head = f"!  a.ipynb, powerhalo,{mass},100.,1/{1 / scale},alpha=1.,beta=3.,rc=0.0000,perc=98.8"
    lines = [head, "! R D M P", str(len(table)), *(" ".join(f"{x:.10e}" for x in row) for row in table)]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines) + "\n")


def test_a_model_is_read_in_its_units(tmp_path):
    write_model(tmp_path / "ErkalLMC.model.gz", 0.15, 0.07)
    found = module.read_model(tmp_path / "ErkalLMC.model.gz")
    expected = hernquist_sphere(0.15 * module.MASS, 0.07 * module.LENGTH)
    inside = expected.radius > 0.1  # the table begins at 3e-4 kpc
    np.testing.assert_allclose(found.mass[inside], expected.mass[inside], rtol=2e-3)
    with gzip.open(tmp_path / "ErkalMW.model.gz", "wt") as file:
        file.write("! a king model\n! R D M P\n0\n")
    with pytest.raises(ValueError, match="allowed is a powerhalo"):
        module.read_model(tmp_path / "ErkalMW.model.gz")
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


def test_the_roundest_halodance_model_near_the_priors_mean_is_run(tmp_path, monkeypatch):
    places = ",".join(name + moment for moment in "t0" for name in ("X", "Y", "Z", "Vx", "Vy", "Vz"))
    names = f"index,{places},M_mw(1e12 M_sun),M_lmc(1e10 M_sun),concentration(c),flattening(q)"
    # the last is model 1252 of Sheng, Ting & Xue 2025 (github.com/Yanjun-Sheng/HaloDance)
    rows = [
        "0,-1.09,-37.17,-29.11,-59.13,-248.36,183.48,24.1,279.81,87.43,1.2,-69.17,-80.27,0.857,18.827,10.105,1.136",
        "1,0,0,0,0,0,0,0,0,0,0,0,0,1.0,17.0,9.0,1.1",
        "1252,-1.3,-37.87,-28.34,-48.01,-216.69,219.0,19.98,237.71,66.94,6.0,-29.13,-79.6,0.991,17.726,9.443,0.998",
    ]
    (tmp_path / "halodance").mkdir()
    path = tmp_path / "halodance" / "isotropic_sim_info.csv"
    path.write_text("\n".join([names, *rows]) + "\n")
    followed = []

    def follow(galaxies, start, settings):
        followed.append((galaxies.lmc.mass[-1], start, settings.span))
        return np.array([0.0, 2.0]), np.array([start, start + 1.0])

    monkeypatch.setattr(module, "_follow", follow)
    told, found = module.run_halodance(path, 40_000)
    assert told.startswith("HaloDance 1252: 9.91e+11 Msun, c 9.4, q 1.00, LMC 1.77e+11 Msun")
    (mass, start, span), = followed
    assert mass == pytest.approx(1.7726e11, rel=0.15) and span == 2.0
    np.testing.assert_array_equal(start, [19.98, 237.71, 66.94, 6.0, -29.13, -79.6])
    np.testing.assert_array_equal(found.theirs[-1], [-1.3, -37.87, -28.34, -48.01, -216.69, 219.0])
    figures = list(module.measure_others(tmp_path, 40_000))
    assert [figure.unit for figure in figures] == ["kpc", "km/s"]
    assert figures[0].found == pytest.approx(np.linalg.norm(start[:3] + 1.0 - found.theirs[-1, :3]))
