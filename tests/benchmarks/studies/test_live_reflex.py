"""The reflex of the stored runs, live against rigid, in small."""

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.studies import live_reflex as module
from mwlmc_data import load_live

SETTINGS = {"name": "gc19-lmc3", "haloes": 2, "stars": 2500, "beta0": 0.0, "r_dehnen": 12.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("measured")


@pytest.fixture(scope="module")
def found(folder):
    return module.keep(folder, **SETTINGS)


def test_what_was_measured_is_read_again(found, folder, monkeypatch):
    monkeypatch.setattr(module, "measure", None)
    again = module.keep(folder, **SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(module, "SIMULATOR_VERSION", "0.0.0")
        with pytest.raises(TypeError):  # it is measured anew
            module.keep(folder, **SETTINGS)
    assert again.friction == pytest.approx(found.friction)
    for way in module.WAYS:
        assert list(again.vectors[way]) == list(found.vectors[way])
        np.testing.assert_array_equal(again.vectors[way][50.0, np.inf], found.vectors[way][50.0, np.inf])


def test_live_and_rigid_haloes_begin_alike_and_end_apart(found):
    assert found.friction.place < 10
    outer = {way: found.vectors[way][50.0, np.inf].mean(0) for way in module.WAYS}
    assert all(25 < np.linalg.norm(vector) < 55 for vector in outer.values())
    # the shape adds little, the orbit more
    assert np.linalg.norm(outer["live"] - outer["spheres"]) < 6
    assert np.linalg.norm(outer["live"] - outer["rigid"]) < 15
    lines = list(module.describe(found))
    assert len(lines) == 1 + 6 * len(module.SHELLS)
    assert "50 to 100 kpc" in lines[7] and "live" in lines[7]


def test_the_rigid_pair_has_the_present_day_of_the_live_one():
    live = load_live("gc19-lmc2")
    rigid, _ = module.find_rigid(live)
    np.testing.assert_allclose(rigid.lmc_phase_space, live.parameters.lmc_phase_space)
    assert (rigid.m_lmc, rigid.c200, rigid.a_lmc) == (1e11, live.parameters.c200, 12.7)


def test_the_case_is_compared_with_what_the_paper_quotes(found):
    draws = np.array([[2.6, -5.4, -28.7], [3.0, -3.5, -27.0], [2.0, -6.0, -33.0]])
    lines = list(module.describe_case(found, draws))
    assert lines[0] == "gc19-fiducial, quoted: v 27.9 km/s, l -49.1, b -80.4 deg"
    assert "v 29.3" in lines[1] and "33% below" in lines[1]


def test_a_figure_has_a_column_for_each_run(found):
    figure = module.draw([found])
    figure.draw_without_rendering()
    assert len(figure.axes) == 3
    assert figure.axes[0].get_title() == "gc19-lmc3, 1.8e11 Msun"


def test_unknown_runs_are_refused(capsys):
    assert main(["live-reflex", "--runs", "gc19-lmc8"]) == 2
    assert "--runs holds 'gc19-lmc8'" in capsys.readouterr().err
