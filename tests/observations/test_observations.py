"""Published measurements: whole, in the package's conventions, and taken by `infer` in their shell alone."""

import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mwlmc_data as mw
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.inference.measurement import read_measurement
from mwlmc_data.inference.shells import TRAINED_SHELLS
from mwlmc_data.observations.conventions import convert_dipole
from mwlmc_data.simulator.constants import SUN_POSITION
from mwlmc_data.simulator.frames import sky_basis, sky_to_galactocentric, spherical_angles
from mwlmc_data.simulator.limits import OBSERVED_LMC, SKY_NAMES
from mwlmc_data.simulator.reflex import design_matrix

OBSERVATIONS = mw.observations.load_observations()
LMCS = {name: mw.observations.load_lmc(name) for name in ("kallivayalil13", "vasiliev")}
EVERY = {**OBSERVATIONS, **LMCS}
INFERRED = ("yaaqib24-50", "yaaqib24-50-kgiants-refit")


def direction(l, b):
    return sky_basis(l, b)[..., 0, :]


def angle_between(one, other):
    """Angle between two directions (l, b) [deg]."""
    return math.degrees(math.acos(direction(*one) @ direction(*other)))


@pytest.mark.parametrize("name", EVERY)
def test_an_entry_says_what_it_is_and_where_it_is_from(name):
    entry = EVERY[name]
    assert entry.name == name and (entry.values or entry.ranges)
    assert re.search(r"arXiv:(\d{4}\.\d{5}|astro-ph)|github\.com/\S+@\w{7}", entry.version)
    assert entry.place and entry.convention and entry.references
    assert entry.place != "abstract" or entry.quoted
    for quantity in (*entry.values, *entry.ranges):
        assert quantity in ("m_mw_50", "m_lmc_50") or schema.get_column(quantity).name == quantity
    assert entry.lower.keys() == entry.upper.keys() <= entry.values.keys()
    assert all(error > 0 for error in (*entry.lower.values(), *entry.upper.values()))
    assert (entry.r_min is None) == (entry.r_max is None)
    assert all(-180.0 < entry.values.get(quantity, 0.0) <= 180.0 for quantity in ("l_apex", "b_apex"))
    assert entry.citation.isascii() and entry.citation.count("@") == len(entry.references)
    with pytest.raises(TypeError):
        entry.values["v_travel"] = 1.0


@pytest.mark.parametrize("name", [name for name, entry in OBSERVATIONS.items() if entry.place.startswith("abstract")])
def test_the_numbers_of_an_abstract_are_those_that_are_quoted(name):
    entry = OBSERVATIONS[name]
    quoted = {abs(float(text)) for text in re.findall(r"\d+(?:\.\d+)?", entry.quoted)}
    scales = {"m_mw_50": 1e11, "m_lmc_50": 1e10}
    known = [n for n in entry.values if not n.startswith(("mean", "sigma")) or name == "li26"]
    for group in (entry.values, entry.lower, entry.upper):
        for quantity in (n for n in known if n in group):
            number = abs(group[quantity]) / scales.get(quantity, 1.0)
            assert any(math.isclose(number, other) for other in quoted), (quantity, number)


class TestConventions:
    def test_an_apex_is_where_the_disc_is_going(self):
        """Petersen & Penarrubia: the disc moves towards (56, -34), and stars around the apex approach."""
        entry = OBSERVATIONS["petersen21"]
        assert "the Milky Way disc is moving" in entry.quoted and "in the direction (l, b)_apex" in entry.quoted
        motion = entry.values["v_travel"] * direction(entry.values["l_apex"], entry.values["b_apex"])
        far = 1e4 * direction(np.array([56.0, -124.0]), np.array([-34.0, 34.0]))
        basis = sky_basis(*spherical_angles(far))
        seen = design_matrix(far, basis)[:, 0, :3] @ motion
        np.testing.assert_allclose(seen, [-32.0, 32.0], rtol=1e-6)

    @given(
        dipole=st.floats(-200, 200).filter(lambda v: abs(v) > 0.1),
        l=st.floats(-180, 360),
        b=st.floats(-89, 89),
        seed=st.integers(0, 100),
    )
    def test_a_dipole_of_either_sign_is_the_model_s_own(self, dipole, l, b, seed):
        """Far stars of the package's model have the velocities of the dipole that was converted."""
        disc = convert_dipole(dipole, l, b)
        assert disc["v_travel"] >= 0 and -180 < disc["l_apex"] <= 180
        x = 1e3 * direction(*np.random.default_rng(seed).uniform([-180, -90], [180, 90]))[None]
        motion = disc["v_travel"] * direction(disc["l_apex"], disc["b_apex"])
        seen = design_matrix(x, sky_basis(*spherical_angles(x)))[0, 0, :3] @ motion
        assert seen == pytest.approx(dipole * (x[0] / 1e3) @ direction(l, b), abs=1e-9)

    def test_the_dipole_of_desi_points_beside_the_lmc_as_its_abstract_says(self):
        """22 degrees away from the LMC: 20 as seen from the Sun, 23 from the centre; 160 with another sign."""
        entry = OBSERVATIONS["bystrom25"]
        assert entry.values["v_travel"] == 34.0 and entry.values["mean_v_r"] == -23.5
        apex = entry.values["l_apex"], entry.values["b_apex"]
        place = sky_to_galactocentric(*OBSERVED_LMC)[:3]
        apart = [angle_between(apex, spherical_angles(seen)) for seen in (place - SUN_POSITION, place)]
        assert apart == pytest.approx([19.9, 22.9], abs=0.5)
        assert min(apart) < 22.0 < max(apart)

    def test_errors_are_the_mean_of_those_upwards_and_downwards(self):
        entry = OBSERVATIONS["brooks25"]
        assert (entry.lower["v_travel"], entry.upper["v_travel"]) == (4.4, 5.5)
        assert entry.errors == pytest.approx({"v_travel": 4.95, "m_lmc_50": 2.1e10, "m_mw_50": 0.7e11})

    def test_the_two_versions_of_one_paper_differ(self):
        """By 1.7 sigma in the Milky Way's mass, 2.3 in the anisotropy: the version counts."""
        first, second = OBSERVATIONS["brooks26-v1"], OBSERVATIONS["brooks26"]
        assert (first.version[-2:], second.version[-2:]) == ("v1", "v2")
        apart = {n: (first.values[n] - second.values[n]) / first.errors[n] for n in ("m_mw_50", "beta0")}
        assert apart == pytest.approx({"m_mw_50": 1.69, "beta0": -2.33}, abs=0.01)


class TestLmc:
    def test_the_default_is_the_one_of_the_package(self):
        entry = LMCS["kallivayalil13"]
        assert mw.observations.load_lmc() is entry and tuple(entry.values.values()) == OBSERVED_LMC
        default = mw.Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0)
        assert [getattr(default, name) for name in SKY_NAMES] == pytest.approx(list(entry.values.values()))
        assert entry.errors["distance_lmc"] == pytest.approx(0.547, abs=1e-3)

    def test_every_choice_is_an_lmc_for_infer(self):
        places = {}
        for name, entry in LMCS.items():
            assert tuple(entry.values) == SKY_NAMES
            places[name] = read_measurement({"v_travel": 40.0, "l_apex": 40.0, "b_apex": -37.0}, lmc=entry).lmc.vector
        one, other = places.values()
        assert 0.1 < np.linalg.norm((one - other)[:3]) < 2.0 and 5.0 < np.linalg.norm((one - other)[3:]) < 60.0

    def test_a_motion_is_not_an_lmc(self):
        with pytest.raises(ValueError, match="lmc"):
            read_measurement({"v_travel": 40.0, "l_apex": 40.0, "b_apex": -37.0}, lmc=OBSERVATIONS["yaaqib24-50"])

    def test_another_name_is_refused(self):
        with pytest.raises(ValueError, match=r"name = 'gaia': allowed is 'kallivayalil13', 'vasiliev'"):
            mw.observations.load_lmc("gaia")


class TestInfer:
    @pytest.mark.parametrize("name", INFERRED)
    def test_a_measurement_in_a_trained_shell_is_taken_with_its_errors(self, name):
        entry = OBSERVATIONS[name]
        measured = read_measurement(entry)
        same = read_measurement(
            {n: entry.values[n] for n in REFLEX}, {n: entry.errors[n] for n in REFLEX}, shell=(50.0, math.inf)
        )
        np.testing.assert_array_equal(measured.vector, same.vector)
        np.testing.assert_array_equal(measured.covariance, same.covariance)
        assert measured.reflex == {n: entry.values[n] for n in REFLEX} and measured.reach == entry.reach

    def test_the_answer_says_that_the_stars_end_at_a_radius(self):
        with pytest.warns(UserWarning, match="stars reach 200 kpc at most"):
            posterior = mw.infer(OBSERVATIONS["yaaqib24-50"], n=50)
        assert posterior.errors_given and posterior.reach == 200.0
        entry = OBSERVATIONS["yaaqib24-50"]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            plain = mw.infer({n: entry.values[n] for n in REFLEX}, {n: entry.errors[n] for n in REFLEX}, n=50)
        assert not any("stars reach" in str(each.message) for each in caught)
        assert plain.p_value == posterior.p_value and plain.samples.equals(posterior.samples)

    @pytest.mark.parametrize("name", [name for name in OBSERVATIONS if name not in INFERRED])
    def test_all_others_are_refused_for_a_reason(self, name):
        entry = OBSERVATIONS[name]
        if not set(REFLEX) <= entry.values.keys():
            match = "does not give .*: allowed is one with v_travel, l_apex, b_apex"
        elif not entry.errors:
            match = "errors could not be read at its source: allowed is one with errors, or errors="
        else:
            match = r"stars at .* kpc: allowed is a fit of all beyond 50 kpc"
            assert (entry.r_min, entry.r_max) not in TRAINED_SHELLS
        with pytest.raises(ValueError, match=f"observation = '{name}', .*{match}"):
            mw.infer(entry)

    def test_errors_beside_those_of_the_source_are_refused_and_missing_ones_may_be_given(self):
        sigma = {"v_travel": 7.0, "l_apex": 11.0, "b_apex": 11.0}
        with pytest.raises(ValueError, match="errors = given beside 'yaaqib24-50'"):
            mw.infer(OBSERVATIONS["yaaqib24-50"], sigma)
        # given errors are taken: what is refused then is the shell
        with pytest.raises(ValueError, match="stars at 50 < r < 120 kpc"):
            mw.infer(OBSERVATIONS["bystrom25"], sigma)

    def test_a_mapping_may_name_its_shell(self):
        motion = {"v_travel": 40.0, "l_apex": 40.0, "b_apex": -37.0}
        for shell in ((50.0, 120.0), (40.0, math.inf)):
            with pytest.raises(ValueError, match=r"shell = .* allowed is a fit of all beyond 50 kpc"):
                mw.infer(motion, shell=shell)
        for bad in (50.0, "outer", (50.0,)):
            with pytest.raises(ValueError, match=r"shell = .*: allowed is \(r_min, r_max\) in kpc"):
                mw.infer(motion, shell=bad)
        with pytest.raises(ValueError, match="allowed is 0 <= r_min < r_max"):
            mw.infer(motion, shell=(100.0, 50.0))
        with pytest.raises(ValueError, match=r"shell = .* beside a fit or a published"):
            mw.infer(OBSERVATIONS["yaaqib24-50"], shell=(50.0, math.inf))


def test_another_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"name = 'yaaqib24-60': allowed is .*yaaqib24-50"):
        mw.observations.load_observation("yaaqib24-60")
    assert mw.observations.load_observation("li26") is OBSERVATIONS["li26"]


def test_importing_the_observations_loads_no_network_library():
    import subprocess
    import sys

    code = "import sys, mwlmc_data as mw; mw.observations.load_observations(); print('pooch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize("footprint", [mw.observations.in_legacy_surveys, mw.observations.off_sagittarius])
def test_directions_that_are_none_are_refused(footprint):
    with pytest.raises(ValueError, match=r"b\[0\] = 120\.0: allowed is"):
        footprint([0.0], [120.0])
    with pytest.raises(ValueError, match=r"b = an array of shape \(2,\): allowed is that of l, \(3,\)"):
        footprint([1.0, 2.0, 3.0], [1.0, 2.0])
