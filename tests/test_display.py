"""How objects print: one line, and an escaped table in a notebook."""

import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import re
import typing
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest

import mwlmc_data
from mwlmc_data import display, scoring
from mwlmc_data.display import Displayed, brief, fixed, html_table, number, with_error
from mwlmc_data.scoring.report import Entry, Report, Section
from mwlmc_data.simulator.reflex import Reflex

MAX_LINE = 300


@pytest.fixture(scope="module")
def simulation():
    return mwlmc_data.simulate(mwlmc_data.Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7), seed=1)


@pytest.fixture(scope="module")
def posterior(simulation):
    return mwlmc_data.infer(simulation.reflex, n=500)


class Table(HTMLParser):
    """Rows of a table, and the paragraphs below it; refuses what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.notes, self.caption = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "caption" in self.open:
            self.caption += data
        elif self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif self.open[-1] == "p":
            self.notes.append(data)


def test_a_reflex_is_one_line_with_units():
    covariance = np.diag([5.8**2, 5.8**2, 5.8**2] + [1.0] * 6)
    values = np.array([16.4, 14.2, -40.7, 0, 0, 0, 90, 90, 90.0])
    reflex = Reflex(values, covariance, covariance, -1.0, 1286, 50.0, np.inf, (1286, 1286, 1286))
    # error of the apex: 5.8 / (46.1 cos 62 deg) along l, 5.8 / 46.1 along b
    assert repr(reflex) == (
        "<Reflex: v_travel 46.1 ± 5.8 km/s towards l 41° ± 15°, b −62° ± 7°, 1,286 stars beyond 50 kpc>"
    )
    shell = dataclasses.replace(reflex, r_max=100.0, n_measured=(1286, 30, 1286))
    assert repr(shell).endswith("1,286 stars at 50 to 100 kpc; pm_l measured for 30>")
    rows = dict(Table(reflex._repr_html_()).rows)
    assert rows["v_travel"] == "46.1 ± 5.8 km/s" and rows["sigma_v_l"] == "90.0 ± 1.0 km/s"
    assert rows["stars"] == "1,286 beyond 50 kpc"


def test_what_a_fit_leaves_undetermined_is_shown():
    covariance = np.full((9, 9), np.nan)
    covariance[:3, :3] = np.eye(3)
    values = np.r_[10.0, 0.0, 0.0, [np.nan] * 3, 50.0, 50.0, 50.0]
    reflex = Reflex(values, covariance, covariance, -1.0, 25, 0.0, np.inf, (25, 25, 25))
    assert "25 stars; undetermined: v_r, v_phi, v_theta" in repr(reflex).replace("mean_", "")
    rows = dict(Table(reflex._repr_html_()).rows)
    assert rows["sigma_v_los"] == "50.0 km/s" and "undetermined" in rows.values()


def test_a_simulation_and_its_parts_are_one_line_each(simulation):
    parts = (simulation, simulation.parameters, simulation.orbit, simulation.halo, simulation.reflex)
    for part in parts:
        assert repr(part).startswith(f"<{type(part).__name__}: ") and "\n" not in repr(part)
        assert len(repr(part)) < MAX_LINE
    assert "m_lmc 2.3e11 Msun" in repr(simulation) and "seed 1, sim_id 0; 4,500 stars" in repr(simulation)
    assert f"pericentre {simulation.orbit.pericentre:.1f} kpc" in repr(simulation.orbit)
    beyond = int((np.linalg.norm(simulation.halo.positions, axis=1) > 50).sum())
    assert f"{beyond:,} beyond 50 kpc, from simulation" in repr(simulation.halo)
    rows = dict(Table(simulation._repr_html_()).rows)
    assert rows["reflex"] in repr(simulation.reflex) and rows["orbit"] in repr(simulation.orbit)
    assert dict(Table(simulation.parameters._repr_html_()).rows)["distance_lmc"] == "49.59 kpc"


def test_a_halo_that_cannot_be_fitted_is_shown(simulation):
    few = mwlmc_data.Halo(simulation.halo.positions[:5], simulation.halo.velocities[:5])
    shown = dict(Table(dataclasses.replace(simulation, halo=few)._repr_html_()).rows)
    assert shown["halo"].startswith("5 stars at") and shown["reflex"].startswith("not fitted: ")
    none = mwlmc_data.Halo(np.empty((0, 3)), np.empty((0, 3)))
    assert repr(none) == "<Halo: 0 stars, 0 beyond 50 kpc, from simulation>"


def test_a_posterior_is_one_line_and_a_table(posterior):
    line = repr(posterior)
    assert "\n" not in line and len(line) < MAX_LINE and line.startswith("<ReflexPosterior: m_lmc ")
    table = Table(posterior._repr_html_())
    assert table.rows[0] == ["", "16%", "50%", "84%", "unit"]
    low, middle, high = np.percentile(posterior.samples["m_lmc"], [16, 50, 84]) / 1e10
    assert table.rows[1] == ["m_lmc", f"{low:.2f}", f"{middle:.2f}", f"{high:.2f}", "1e10 Msun"]
    assert f"m_lmc {middle:.2f} ({low:.2f} to {high:.2f}) 1e10 Msun" in line
    assert any("p-value" in note for note in table.notes) and "see its warnings" not in line
    assert str(posterior) == posterior.table()


def test_an_untrustworthy_posterior_says_so():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        strange = mwlmc_data.infer({"v_travel": 300.0, "l_apex": 0.0, "b_apex": 0.0}, n=100)
    assert [str(each.message) for each in caught] == list(strange.warnings) != []
    assert repr(strange).endswith("; see its warnings>")
    assert f"Warning: {strange.warnings[0]}" in Table(strange._repr_html_()).notes
    assert f"Warning: {strange.warnings[0]}" in str(strange)


def test_cases_tasks_priors_and_batches_have_tables():
    cases = mwlmc_data.validation_cases()
    assert repr(cases["rigid"]) == (
        "<Case: rigid, rigid; v_travel 64.5 km/s towards l 39.1°, b −67.8°; inside the prior>"
    )
    assert "outside the prior in ra_lmc, v_los_lmc, pm_dec_lmc" in repr(cases["fire-m12b"])
    assert dict(Table(cases["rigid"]._repr_html_()).rows)["m_lmc (true)"] == "2.3e11 Msun"
    task = Table(mwlmc_data.get_task("summary-9")._repr_html_())
    assert task.caption == "summary-9@1.0" and "v_travel [km/s]" in dict(task.rows)["data"]
    names = "m_lmc, m200_mw, log10_lambda_df"
    assert repr(mwlmc_data.Prior("wide", names.split(", "))) == f"<Prior: wide; {names}>"
    assert "\n" not in repr(mwlmc_data.Prior("gaussian")) and len(repr(mwlmc_data.Prior("gaussian"))) < MAX_LINE
    prior = Table(mwlmc_data.Prior("gaussian")._repr_html_())
    assert prior.rows[0] == ["", "law", "from", "to", "unit"]
    assert ["m200_mw", "Normal, 1.5e12 ± 5e11", "1e11", "1e13", "Msun"] in prior.rows
    assert prior.rows[-1][0] == "m_lmc_8p7"
    batches = mwlmc_data.load_haloes(range(10), columns=["m_lmc"], batch_size=4)
    assert dict(Table(batches._repr_html_()).rows)["batches"] == "3 of 4 haloes"


def test_a_published_measurement_is_one_line_and_says_where_it_is_from():
    entry = mwlmc_data.observations.load_observation("yaaqib24-50")
    assert repr(entry) == (
        "<Observation: yaaqib24-50, Yaaqib, Petersen & Peñarrubia 2024; v_travel 40 ± 7 km/s, l_apex 38 ± 11 deg, "
        "b_apex −37 +11 −10 deg; 340 K giants and blue horizontal branch stars beyond 50 kpc; arXiv:2402.10841>"
    )
    rows = dict(Table(entry._repr_html_()).rows)
    assert rows["measured by"] == entry.title and rows["mean_v_r"] == "−9 +7 −6 km/s"
    assert rows["outermost radius"] == "200 kpc" and rows["place"] == "Table 2"
    everything = {
        **mwlmc_data.observations.load_observations(),
        **mwlmc_data.observations.load_star_tables(),
        "lmc": mwlmc_data.observations.load_lmc(),
    }
    for shown in everything.values():
        assert "\n" not in repr(shown) and len(repr(shown)) < MAX_LINE and Table(shown._repr_html_()).rows
    assert "v_travel 19 to 44 km/s" in repr(everything["li26"])


def test_text_of_users_is_escaped():
    table = Table(html_table("<b>", [("a<script>", "1 & 2 > 0")], ("", "x<y"), ["<i>note</i>"]))
    assert table.rows == [["", "x<y"], ["a<script>", "1 & 2 > 0"]]
    assert table.caption == "<b>" and table.notes == ["<i>note</i>"]
    headline = Section("headline", {"energy_score": Entry(0.61, 0.01, "<img src=x>")})
    shown = Report("t@1.0", headline, submission={"method": "<script>alert(1)</script>"})._repr_html_()
    assert "<script>" not in shown and "<img" not in shown
    assert Table(shown).rows[1] == ["energy score", "0.610 ± 0.010", "<img src=x>"]


def test_results_of_scores_are_one_line():
    rng = np.random.default_rng(0)
    draws, truth = rng.normal(size=(50, 100, 3)), rng.normal(size=(50, 3))
    shown = repr(scoring.rank_calibration(draws, truth))
    assert shown.startswith("<RankCalibration: fractions float64 (50, 3), ") and "\n" not in shown
    assert re.search(r"ks \(0\.\d+, 0\.\d+, 0\.\d+\)", shown)


def test_pickles_and_equality_are_those_of_the_fields(simulation):
    parameters = simulation.parameters
    assert pickle.loads(pickle.dumps(parameters)) == parameters and hash(parameters) == hash(
        mwlmc_data.Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
    )
    again = pickle.loads(pickle.dumps(simulation))
    assert np.array_equal(again.halo.positions, simulation.halo.positions) and again.parameters == parameters
    assert [f.name for f in dataclasses.fields(again)] == ["parameters", "seed", "sim_id", "orbit", "halo"]


#: Modules of libraries that may not be installed.
OPTIONAL = ("engines.cuda", "engines.agama", "batches_torch", "batches_datasets", "priors.torch")


def classes():
    """Dataclasses and named tuples that the package defines."""
    for info in pkgutil.walk_packages(mwlmc_data.__path__, "mwlmc_data."):
        if info.name.endswith(("__main__", *OPTIONAL)):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            is_ours = inspect.isclass(value) and value.__module__ == info.name
            if is_ours and (dataclasses.is_dataclass(value) or hasattr(value, "_fields")):
                yield name, value


def prints_arrays(value):
    """Whether a class prints its fields as they are, and one of them may be long."""
    long = re.compile(r"Array|ndarray|Mapping|dict\b|list\[|Sequence|DataFrame|\.\.\.\]")
    is_generated = "__repr__" in vars(value) and value.__repr__.__module__ in ("collections", "dataclasses", None)
    if dataclasses.is_dataclass(value):
        is_generated = hasattr(value.__repr__, "__wrapped__")
    return is_generated and any(long.search(str(kind)) for kind in value.__annotations__.values())


#: Lists of a few names or numbers.
SHORT = {"Array", "Citation", "Member", "Request", "StarFile"}


def test_no_object_prints_pages_of_numbers():
    found = {name for name, value in classes() if not name.startswith("_") and prints_arrays(value)}
    assert found == SHORT


def test_a_class_that_prints_its_arrays_is_found():
    @dataclasses.dataclass
    class Loud:
        x: "np.ndarray"

    @dataclasses.dataclass(repr=False)
    class Quiet(Displayed):
        x: "np.ndarray"

    class LoudTuple(typing.NamedTuple):
        x: "np.ndarray"

    class QuietTuple(typing.NamedTuple):
        x: "np.ndarray"

        def __repr__(self):
            return display.describe_tuple(self)

    assert [prints_arrays(c) for c in (Loud, Quiet, LoudTuple, QuietTuple)] == [True, False, True, False]
    assert repr(QuietTuple(np.ones((5, 2)))) == "<QuietTuple: x float64 (5, 2)>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "yes"),
        (7, "7"),
        (9.1e11, "9.1e11"),
        (-0.25, "−0.25"),
        ("text", "text"),
        (np.array(2.5), "2.5"),
        (np.array([1.0, 2.0]), "(1, 2)"),
        (np.zeros((3, 2), np.float32), "float32 (3, 2)"),
        (np.array(["a"] * 9), "str (9,)"),
        ({"a": 1.5}, "(a 1.5)"),
        ({}, "none"),
        (list(range(1000)), "(1,000 items)"),
    ],
)
def test_values_are_brief(value, text):
    assert brief(value) == text


def test_long_texts_are_cut():
    assert len(brief("x" * 1000)) < 100 and brief("x" * 1000).endswith("...")
    assert "\n" not in brief("\n" * 1000) and brief("a\nb") == "a b"


def test_numbers_are_rounded():
    assert [number(v) for v in (1e-5, 123456.0, -62.0, np.inf)] == ["1e−5", "1.235e5", "−62", "inf"]
    assert [fixed(v, 1) for v in (-0.01, 1286.0, -2.25)] == ["0.0", "1,286.0", "−2.2"]
    assert with_error(1.0, np.nan, 1, "kpc") == "1.0 kpc" and with_error(np.nan, 1.0) == "undetermined"
