"""Cases in every shell: the right columns are compared, by the right distance, with the right network."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from benchmarks import __main__ as command
from benchmarks.paper import shells
from mwlmc_data import validation_cases
from mwlmc_data.inference.shells import TRAINED_SHELLS

COVARIANCE = np.diag([4.0, 9.0, 25.0])


@pytest.fixture(scope="module")
def case():
    """The deforming case, whose quoted vector is (3.0, -3.5, -27.5) km/s."""
    return validation_cases()["gc19-fiducial"]


def make_table(means, n=4000):
    rng = np.random.default_rng(0)
    vectors = [rng.multivariate_normal(mean, COVARIANCE, size=n) for mean in means]
    return pd.DataFrame(np.concatenate(vectors, axis=1), columns=shells.list_columns())


@pytest.fixture(scope="module")
def results(case):
    quoted = np.array([3.046, -3.516, -27.509])
    far = [quoted + np.array(shift) for shift in ((8.0, 0.0, 0.0), (2.0, 3.0, 0.0), (0.0, 0.0, 20.0))]
    return shells.check_shells(case, make_table(far), draws=500)


def test_distances_are_in_sigmas_of_the_haloes_of_that_shell(results):
    assert [r.shell for r in results] == list(TRAINED_SHELLS)
    assert [r.distance for r in results] == pytest.approx([4.0, math.sqrt(2), 4.0], rel=0.05)
    assert results[0].reflex[0] == pytest.approx(np.linalg.norm([11.05, -3.52, -27.51]), abs=0.3)
    odds = [r.log_density - results[1].log_density for r in results]
    assert odds == pytest.approx([-7.0, 0.0, -7.0], abs=0.6)


def test_the_supported_shell_is_named_and_an_alien_motion_is_in_none(case, results):
    assert shells.choose_supported(results).shell == (50.0, 100.0)
    assert "supports stars at 50 to 100 kpc: it lies 4.0 sigma beyond 50 kpc, 1.4 sigma at" in shells.describe(
        case, results
    )
    alien = [dataclasses.replace(r, distance=9.0) for r in results]
    assert "is in no shell what the model makes" in shells.describe(case, alien)
    assert "too few for their scatter" in shells.describe(case, [])


def test_each_shell_is_inferred_by_its_own_network_and_misses_are_of_the_cases_own(case, results):
    medians = [r.result.summaries["m_lmc"].p50 for r in results]
    assert len(set(medians)) == 3 and medians[1] > medians[0]
    shifted = dataclasses.replace(results[1].result, case=dataclasses.replace(case, truth={"m_lmc": 90e10}))
    summary = dataclasses.replace(results[1].result.summaries["m_lmc"], truth=90.0, inside68=False, inside95=False)
    shifted = dataclasses.replace(shifted, summaries={**shifted.summaries, "m_lmc": summary})
    misses = shells.list_misses([results[0], dataclasses.replace(results[1], result=shifted), results[2]])
    assert len(misses) == 1 and misses[0].startswith("as stars at 50 to 100 kpc: M_LMC = 90")


def test_rows_mark_the_shell_of_the_case_and_fit_the_terminal(results):
    rows = shells.shell_rows(results)
    names = ["beyond 50 kpc", "reference posterior", "at 50 to 100 kpc *", "reference posterior", "at 50 to 300 kpc"]
    assert [row[0] for row in rows] == names
    assert all(len(row) == len(shells.HEADER) for row in rows)
    assert max(map(len, shells.format_rows(results))) <= 98 and "…" not in "".join(shells.format_rows(results))
    assert results[0].as_dict()["r_max"] is None and results[1].as_dict()["r_max"] == 100.0


def test_the_networks_agree_with_the_reference_posteriors(results):
    """The case has one beyond 50 kpc and one at 50 to 100 kpc; medians of the LMC's mass within a third of a width."""
    assert [bool(r.reference) for r in results] == [True, True, False]
    for r in results[:2]:
        exact, found = r.reference["m_lmc"], r.result.summaries["m_lmc"]
        assert found.p50 == pytest.approx(exact.p50, abs=(exact.p84 - exact.p16) / 6)


def test_too_few_haloes_have_no_scatter(case):
    assert shells.check_shells(case, make_table(np.zeros((3, 3)), n=9)) == []


def test_the_command_prints_every_case(capsys):
    assert command.main(["case-shells", "--haloes", "10", "--workers", "1"]) == 0
    text = capsys.readouterr().out
    for name in validation_cases():
        assert f"{name}: the quoted motion" in text
    assert text.count("at 50 to 100 kpc *") == 2  # the deforming case, in both of its tables
