"""The page of a run of the suite, made from a small folder of made-up numbers."""

import itertools
import json
import re
import shutil
import subprocess
from html import escape
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.common.features import LABELS, SCALE, THETA
from benchmarks.suite import report
from benchmarks.suite.curves import LEVELS
from benchmarks.suite.report import claims, figures, palette, tables
from benchmarks.suite.report.folder import load_run
from benchmarks.suite.report.levels import estimate_levels
from benchmarks.suite.report.posteriors import collect_posteriors
from benchmarks.suite.report.remade import Amount
from benchmarks.suite.report.values import average
from mwlmc_data import get_task, validation_cases
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.references import ReferenceSet
from tests.helpers.live_set import embed_live_set

DRAWS = 20
CASES = tuple(validation_cases())
SUMMARIES = ("summary-9", "summary-6")
BUDGETS = ("budget-1000", "budget-10000", "budget-100000")
BASELINES = tuple(palette.STYLES)


def entry(number, error=None):
    return {"value": number, "error": error, "right": ""}


def by_name(numbers):
    return dict(zip(THETA, map(float, numbers), strict=True))


def grid_entries(rng):
    """Entries of one group of the task shift."""
    known = {name: entry(by_name(rng.uniform(0.3, 1.0, 3))) for name in ("contraction", "hits_68", "hits_95")}
    z = entry({**by_name(rng.uniform(0.5, 4.0, 3)), "log10_lambda_df": None})
    return {**known, "z": z, "auroc_volume": entry(rng.uniform(0.3, 0.9)), "auroc_statistic": entry(None)}


def made_up(task, place, seed, with_reference):
    """Scores of the baseline at a place in the order, better the later; a seed adds a hundredth."""
    rng = np.random.default_rng([place, seed, len(task)])
    budget = get_task(task).budget or 100_000
    energy = 1.13 - 0.025 * place * np.log10(budget / 100) / 3 + 0.01 * seed
    headline = {
        "energy_score": entry(energy, 0.012),
        "gain_over_prior": entry(1.13 - energy, 0.01),
        "contraction": entry(by_name([0.7, 0.2, 0.3])),
    }
    if task == "shift":
        steps = [s for t in ("noise-2", "noise-4", "bias-10", "bias-20", "bias-40") for s in (t,)]
        groups = ["test", *CASES, *steps, "sky-plane", "sky-north", "contraction-20", "contraction-40"]
        headline |= {"hits_68_test": entry(by_name([0.66, 0.67, 0.69]), by_name([0.02] * 3))}
        return headline, {group: grid_entries(rng) for group in groups}
    if place % 3 != 1:
        headline["neg_log_posterior"] = entry(7.88 - 0.12 * place + 0.02 * seed, 0.04)
        headline["gain_over_prior_nats"] = entry(0.12 * place - 0.02 * seed, 0.04)
    calibration = {
        "rank_ks_pvalue": entry(by_name([0.4, 0.0002, 0.9])),
        "hits_68": entry(by_name([0.681, 0.672, 0.69]), by_name([0.015] * 3)),
        "tarp_ks_pvalue": entry(0.31),
        "region_ks_pvalue": entry(0.62),
    }
    sections = {"calibration": calibration}
    if with_reference:
        gap = 0.3 - 0.025 * place + 0.01 * seed
        headline["gap_to_reference"] = entry(gap, 0.008)
        if "neg_log_posterior" in headline:
            headline["gap_to_reference_nats"] = entry(1.5 - 0.12 * place + 0.02 * seed, 0.05)
        sections["reference"] = {"energy_distance": entry(gap, 0.004), "mmd": entry(0.2 - 0.015 * place, 0.003)}
        sections["classifier"] = {"c2st": entry(0.9 - 0.03 * place, 0.004)}
    return headline, sections


def write_result(out, task, name, seed, with_reference=True, **changes):
    """Write one result file."""
    headline, sections = made_up(task, BASELINES.index(name), seed, with_reference)
    curve = [round(float(v), 4) for v in np.clip(LEVELS + 0.02 * np.sin(7 * LEVELS) * (1 - LEVELS), 0, 1)]
    content = {
        "baseline": name,
        "seed": seed,
        "fast": False,
        "format": "mwlmc-result-1",
        "data_sha256": "d" * 64,
        "references_sha256": "r" * 64 if with_reference else None,
        "title": f"Method {name}",
        "source": f"Author of {name} 2024",
        "drawn": {"acceptance_mean": 0.9731, "acceptance_least": 0.4, "incomplete": int(name == "maf")},
        "versions": {"mwlmc-data": "1.0.0", "numpy": "2.0"},
        "manifest": {"cost": {"cpu_seconds": 100.0 + seed, "simulations": 118000, "parameters": 44752}},
        "scores": {"headline": headline, "scores": sections, "notes": []},
        "curves": {"n": 1000, "ranks": dict.fromkeys(THETA, curve), "tarp": curve, "region": curve},
        **changes,
    }
    path = out / "results" / task / f"{name}-s{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def around(truth, m, width, rng):
    """Draws (n, m, 3) about truths (n, 3), as an exact Gaussian posterior with that many sigmas would have them."""
    sigma = width * np.array([5e10, 4e11, 0.8])
    centre = truth[:, None] + rng.normal(size=(len(truth), 1, 3)) * sigma
    return (centre + rng.normal(size=(len(truth), m, 3)) * sigma).astype(np.float32)


def write_entry(out, task, name, draws=DRAWS):
    """Write an entry's draws."""
    rng, observations = np.random.default_rng(len(name)), get_task(task).observations
    home = out / "entries" / task / f"{name}-s0"
    home.mkdir(parents=True)
    np.savez(
        home / "samples.npz",
        samples=around(observations.theta.astype(float), draws, 1.0, rng),
        case_samples=around(case_truth(), 8 * draws, 0.6, rng),
    )


def case_truth():
    middle = (15e10, 1.2e12, 0.0)
    return np.array(
        [[case.truth.get(n, m) for n, m in zip(THETA, middle, strict=True)] for case in validation_cases().values()]
    )


def write_run(out, baselines=BASELINES, with_reference=True, draws=DRAWS):
    """Write a folder of a run in all tasks."""
    for name in baselines:
        for task in (*SUMMARIES, *BUDGETS, "shift"):
            for seed in range(3 if task in BUDGETS else 1):
                write_result(out, task, name, seed, with_reference)
        write_entry(out, "summary-9", name, draws)
    wide = out / "cases" / "wide" / "maf-s0.npz"
    wide.parent.mkdir(parents=True)
    np.savez(wide, samples=around(case_truth(), 8 * draws, 0.6, np.random.default_rng(0)), names=np.array(CASES))
    return out


def made_up_references(draws=100):
    """References of ten test rows and of the cases; that of the last case is not certified."""
    task = get_task("summary-9")
    held = task.observations.rows("reference")[:10]
    ids = task.observations.sim_id[held]
    truth = np.concatenate([case_truth(), task.observations.theta[held]])
    return ReferenceSet(
        names=(*CASES, *(f"test-{i:06d}" for i in ids)),
        kinds=("rigid", "deforming", "cosmological", *("test",) * len(held)),
        sim_id=np.concatenate([[-1, -1, -1], ids]),
        samples=around(truth, draws, 0.5, np.random.default_rng(9)),
        log_prob_truth=np.zeros(len(truth)),
        certified=np.array([True, True, False] + [True] * len(held)),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The page of a complete run, with references and without simulations."""
    out = write_run(tmp_path_factory.mktemp("run"))
    return report.write(out, simulate=False, references=made_up_references())


@pytest.fixture
def no_references(monkeypatch):
    monkeypatch.setattr(report, "load_references", lambda: None)


def cells(html, after):
    """Rows of the first table after a text, as lists of plain texts."""
    table = html[html.index(after) :]
    table = table[table.index("<tbody>") : table.index("</tbody>")]
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td.*?</td>", row)] for row in rows]


def test_page_refers_to_nothing_outside_itself_and_its_anchors_are_there(whole):
    html = whole.read_text(encoding="utf-8")
    assert whole.name == "report.html"
    assert not re.search(r'(src|href)="(?!data:image/png;base64,|#)', html)
    assert "<script" not in html and "@import" not in html and "url(" not in html
    anchors = re.findall(r'href="#([^"]+)"', html)
    assert len(anchors) == 8 and all(html.count(f'id="{anchor}"') == 1 for anchor in anchors)
    # budget, ranks, coverage, three corners, ladder
    assert html.count("data:image/png;base64,") == 7


def test_every_baseline_and_task_is_shown_with_its_source_and_colour(whole):
    html = whole.read_text(encoding="utf-8")
    assert [row[0] for row in cells(html, ">Baselines<")] == list(BASELINES)
    for name in BASELINES:
        assert f"Author of {name} 2024" in html and f"<summary>{name}</summary>" in html
        assert html.count(f"background:{palette.STYLES[name][0]}") >= 10
    for task in (*SUMMARIES, *BUDGETS, "shift"):
        rows = cells(html, f'id="task-{task}"')
        assert [row[0] for row in rows] == list(BASELINES)


def test_numbers_in_the_tables_are_those_of_the_results(whole):
    html = whole.read_text(encoding="utf-8")
    rows = {row[0]: row for row in cells(html, 'id="task-summary-9"')}
    place = BASELINES.index("nsf")
    assert rows["nsf"][1] == f"{1.13 - 0.025 * place:.4f} ± 0.0120"
    assert rows["nsf"][2] == f"{0.3 - 0.025 * place:.4f} ± 0.0080"
    assert rows["nsf"][4] == f"{7.88 - 0.12 * place:.3f} ± 0.040"
    assert rows["nsf"][6] == f"{0.9 - 0.03 * place:.3f}"
    assert rows["rejection-abc"][4] == "–"
    calibration = cells(html[html.index('id="task-summary-9"') :], ">contraction<")
    assert calibration[0][1:] == ["0.70 / 0.20 / 0.30", "0.68 / 0.67 / 0.69", "0.400 / &lt;.001 / 0.900", "0.310",
                                  "0.620", "2.69%"]  # fmt: skip
    assert next(row for row in calibration if row[0] == "maf")[-1] == "2.69%, 1 gave up"
    cost = cells(html[html.index('id="task-budget-1000"') :], ">CPU [s]<")
    assert cost[0][1:] == ["101", "118,000", "44,752", "0, 1, 2"]


def test_several_seeds_make_a_mean_and_widen_the_error(whole):
    run = load_run(whole.parent)
    found = average(run.results["budget-1000"]["prior"], "headline", "energy_score")
    assert found.mean == pytest.approx(1.14) and found.by_seed == pytest.approx((1.13, 1.14, 1.15))
    assert found.error == pytest.approx(np.hypot(0.012, 0.01 / np.sqrt(3)))


def test_best_is_bold_and_nothing_is_in_the_control(whole):
    html = whole.read_text(encoding="utf-8")
    tasks = html[html.index('id="tasks"') : html.index('id="budget"')]
    control = tasks[tasks.index('id="task-summary-6"') : tasks.index('id="task-budget-1000"')]
    assert "<strong>" not in control and "any gain over the prior is overfitting" in control
    first = tasks[tasks.index('id="task-summary-9"') : tasks.index('id="task-summary-6"')]
    rows = re.findall(r"<tr>(?:(?!</tr>).)*<strong>.*?</tr>", first)
    assert len(rows) == 2, "nle has the lowest of those with a density, nsf-corrected the lowest of all others"
    assert ">nle<" in rows[0] and rows[0].count("<strong>") == 2
    assert ">nsf-corrected<" in rows[1] and rows[1].count("<strong>") == 5


def test_impossible_scores_are_marked_and_never_best(tmp_path, no_references):
    best, other = BASELINES[-1], BASELINES[0]
    for name in (best, other):
        write_result(tmp_path, "summary-9", name, 0)
    run = load_run(tmp_path)
    assert run.find_best("summary-9") == best and "Not possible" not in tables.task_tables(run, "summary-9")
    (path,) = (tmp_path / "results").rglob(f"{best}-s0.json")
    content = json.loads(path.read_text())
    content["scores"]["headline"]["gap_to_reference"] = entry(-0.267, 0.032)
    path.write_text(json.dumps(content))
    run = load_run(tmp_path)
    assert run.find_best("summary-9") == other
    page = tables.task_tables(run, "summary-9")
    assert "Not possible from task.train.x alone" in page and f"{best} (seed 0): the energy score is better" in page


def test_cases_show_the_truth_every_posterior_and_whether_the_reference_is_certified(whole):
    html = whole.read_text(encoding="utf-8")
    for name, certified in zip(CASES, ("certified", "certified", "not certified"), strict=True):
        rows = cells(html, f'id="case-{name}"')
        own = [f"{baseline}, gaussian" for baseline in BASELINES]
        assert [row[0] for row in rows] == ["truth", *own, "maf, wide", f"reference ({certified})"]
    case, run = validation_cases()["rigid"], load_run(whole.parent)
    maf = next(p for p in collect_posteriors(run, None, {"rigid": case})["rigid"] if p.name == "maf")
    with np.load(run.out / "entries" / "summary-9" / "maf-s0" / "samples.npz") as file:
        p16, p50, p84 = np.percentile(file["case_samples"][0, :, 0].astype(float) / 1e10, [16, 50, 84])
    row = next(row for row in cells(html, 'id="case-rigid"') if row[0] == "maf, gaussian")
    assert row[1] == f"{p16:.2f} / {p50:.2f} / {p84:.2f}"
    z = (float(case.truth["m_lmc"]) / SCALE[0] - maf.draws[:, 0].mean()) / maf.draws[:, 0].std(ddof=1)
    assert float(row[2]) == pytest.approx(z, abs=0.051)


def test_draws_of_the_prior_in_place_of_a_posterior_are_labelled(tmp_path):
    task = get_task("summary-9")
    write_result(tmp_path, "summary-9", "maf", 0)
    write_entry(tmp_path, "summary-9", "maf")
    path = tmp_path / "entries" / "summary-9" / "maf-s0" / "samples.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["case_samples"][1] = metrics.prior_draws(task.prior, 8 * DRAWS, 0)
    np.savez(path, **arrays)
    found = collect_posteriors(load_run(tmp_path), None, validation_cases())
    assert [found[name][0].note for name in CASES] == ["", "no draws found: the prior", ""]


def test_level_of_the_reference_is_that_of_the_nearest_entry(whole):
    found = estimate_levels(load_run(whole.parent), None)
    place = BASELINES.index("nsf-corrected")
    assert found["energy_score"].source == "nsf-corrected"
    assert found["energy_score"].value == pytest.approx(1.13 - 0.3) and found["energy_score"].error == 0.004
    last = place if place % 3 != 1 else place - 1
    assert found["neg_log_posterior"].value == pytest.approx(7.88 - 1.5)
    assert found["neg_log_posterior"].source == BASELINES[last]
    for ax, level in zip(figures.budget_figure(load_run(whole.parent), found).axes, found.values(), strict=False):
        low, high = ax.get_ylim()
        assert low < level.value - level.error and level.value < high


def test_level_is_computed_from_draws_where_results_have_no_distance(tmp_path):
    run = load_run(write_run(tmp_path, ("prior", "mdn"), with_reference=False))
    assert estimate_levels(run, None) == {}
    found = estimate_levels(run, made_up_references())
    assert set(found) == {"energy_score"} and found["energy_score"].source == "mdn"
    score = run.results["summary-9"]["mdn"][0].number("headline", "energy_score")
    assert score - 1.0 < found["energy_score"].value < score


def test_page_without_references(tmp_path, no_references):
    html = report.write(write_run(tmp_path, ("prior", "nle"), False), simulate=False).read_text(encoding="utf-8")
    assert "embeds no reference posteriors" in html and "the best possible level is unknown" in html
    assert html.count("There is no reference posterior for this case.") == 3
    assert "gap to reference" not in html and "C2ST</th>" not in html
    assert "the paper&#x27;s MAF is not in this run" in html


@pytest.mark.parametrize(
    ("task", "images"), [("summary-6", 0), ("budget-10000", 1), ("shift", 1), ("summary-9", 2)]
)
def test_page_of_a_single_task_without_draws(tmp_path, no_references, task, images):
    write_result(tmp_path, task, "fmpe", 0, fast=True)
    html = report.write(tmp_path).read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == images
    assert html.count("This run has no") >= 3 and "This is a fast run" in html
    assert [row[0] for row in cells(html, f'id="task-{task}"')] == ["fmpe"]


@pytest.fixture
def live_scores(tmp_path, monkeypatch):
    """Scores of draws about the truths of a made live set, which then stands in for the embedded one."""
    (tmp_path / "data").mkdir()
    embed_live_set(tmp_path / "data", monkeypatch)
    task = get_task("live")
    task.n_draws = DRAWS
    truth = np.nan_to_num(task.observations.theta.astype(float), nan=-1.0)
    draws = around(truth, DRAWS, 0.3, np.random.default_rng(4))
    low, high = np.array(list(task.prior.support.values())).T
    return task.score(np.clip(draws, low, high).astype(np.float32)).to_dict()


def test_live_galaxies_have_a_section_with_errors_over_simulations(tmp_path, no_references, live_scores):
    names = ("mdn", "maf")
    for name, task in itertools.product(names, ("live", "live-64")):
        write_result(tmp_path, task, name, 0, scores=live_scores, live_sha256="e" * 64)
    html = report.write(tmp_path, simulate=False).read_text(encoding="utf-8")
    section = html[html.index('id="live-galaxies"') : html.index('id="claims"')]
    assert section.count("data:image/png;base64,") == 2 and "e" * 64 in html
    headline, scores = live_scores["headline"], live_scores["scores"]
    first = section[section.index('id="galaxies-live"') : section.index('id="galaxies-live-64"')]

    def text(found, digits=2, parameter=None):
        value, error = (found[what] if parameter is None else found[what][parameter] for what in ("value", "error"))
        return f"{round(value, digits) + 0.0:.{digits}f} ± {error:.{digits}f}"

    energy, gain = (text(headline[name], 4) for name in ("energy_score", "gain_over_prior"))
    friction = [text(scores["friction"]["energy_score"], 4), text(scores["friction"]["correlation"])]
    assert cells(first, "live</h3>")[0] == ["mdn", energy, gain, *friction]
    rows = cells(first, ">hits 95%<")
    assert [row[:2] for row in rows] == [[name, label] for name in names for label in LABELS]
    assert rows[1][2:] == [text(headline[what], 2, "m200_mw") for what in ("bias", "z", "hits_68", "hits_95")]
    folded = first[first.index("<summary>maf</summary>") :]
    groups = [name for name in scores if name.startswith("m_lmc ")]
    by_mass = cells(folded, ">simulations<")
    assert [row[0] for row in by_mass] == [escape(name) for name in groups for _ in THETA]
    assert by_mass[0][4] == text(scores[groups[0]]["bias"], 2, "m_lmc")
    recovered = {(row[0], row[1]): row[2:] for row in cells(folded, ">beside<")}
    assert len(recovered) == 8
    assert recovered["m_lmc", "m_lmc_bound"][0] == text(scores["m_lmc_bound"]["ratio"])
    # the table of the task has the coverage too
    assert any(cell.count(" / ") == 2 for cell in cells(html[html.index('id="task-live"') :], ">hits 68%<")[0])


def test_the_live_rung_of_shift_is_in_its_ladder(tmp_path, no_references):
    headline, groups = made_up("shift", 0, 0, False)
    groups = {**groups, "live": grid_entries(np.random.default_rng(0))}
    write_result(tmp_path, "shift", "maf", 0, scores={"headline": headline, "scores": groups, "notes": []})
    html = report.write(tmp_path, simulate=False).read_text(encoding="utf-8")
    section = html[html.index('id="shift"') : html.index('id="claims"')]
    assert "live: haloes of galaxies that deform each other" in section and "; live galaxies." in section
    assert cells(section, "<summary>maf</summary>")[-1][0] == "live" and 'id="live-galaxies"' not in html


def test_unknown_baseline_has_a_colour_of_its_own():
    found = palette.choose_styles(["maf", "zz-new", "aa-new"])
    assert list(found) == ["maf", "aa-new", "zz-new"] and len(set(found.values())) == 3
    assert len(set(palette.STYLES.values())) == len({color for color, _ in palette.STYLES.values()}) == 11


def test_folder_without_results_and_damaged_results_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"allowed is a folder with results of python -m benchmarks suite"):
        report.write(tmp_path)
    write_result(tmp_path, "summary-9", "maf", 0, format="mwlmc-result-9")
    with pytest.raises(ValueError, match=r"= 'mwlmc-result-9': allowed is mwlmc-result-1"):
        load_run(tmp_path)
    (tmp_path / "results" / "summary-9" / "maf-s0.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"maf-s0\.json' is no result of the suite"):
        load_run(tmp_path)


def test_paper_p_passes_what_the_valid_tests_reject():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(1000, 3))
    observed = truth + rng.normal(size=truth.shape)
    exact = 0.5 * observed[:, None] + np.sqrt(0.5) * rng.normal(size=(1000, 200, 3))
    own, narrow, wide, shifted = claims.spoil_and_test(exact, truth)
    assert own.paper_p > 0.99 and min(own.valid_p, own.rank_p) > 0.005
    assert min(narrow.paper_p, wide.paper_p, shifted.paper_p) > claims.REJECTED
    assert max(narrow.valid_p, wide.valid_p, shifted.rank_p) < 1e-3
    assert own.summed == pytest.approx(own.area / 0.01, rel=0.05) and abs(own.area) < 0.125


@pytest.mark.slow
def test_simulated_figures(tmp_path):
    write_result(tmp_path, "summary-9", "maf", 0)
    write_entry(tmp_path, "summary-9", "maf")
    path = report.write(tmp_path, amount=Amount(3, 2, 3, 1), references=made_up_references())
    html = path.read_text(encoding="utf-8")
    section = html[html.index('id="figures"') : html.index('id="shift"')]
    assert section.count("data:image/png;base64,") == 3 and "rigid: reference (certified)" in section
    rows = cells(section, "<table")
    assert len(rows) == 18 and {row[1] for row in rows} == {"posterior", "quoted truth"}
    assert "at its quoted parameters the rigid simulator gives v_travel" in html


CHECK = """<script>addEventListener("load", () => {
  const edge = document.querySelector("h1").getBoundingClientRect().right;
  const wide = [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > edge + 1)
    .map(e => e.tagName + ":" + (e.textContent || e.alt || "").slice(0, 60));
  const images = [...document.images].map(i => i.complete && i.naturalWidth > 300 && i.naturalHeight > 100);
  document.body.dataset.wide = JSON.stringify(wide);
  document.body.dataset.images = JSON.stringify(images);
});</script></body>"""


def test_browser_shows_every_image_and_nothing_overflows(whole, tmp_path):
    """The page with everything unfolded, measured from within by a script that only this test adds."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if browser is None:
        pytest.skip("neither chromium nor google-chrome is installed: the page cannot be shown")
    html = whole.read_text(encoding="utf-8").replace("<details>", "<details open>").replace("</body>", CHECK)
    page = tmp_path / "checked.html"
    page.write_text(html, encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
    command = [browser, *options, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,1000"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    images = json.loads(re.search(r'data-images="([^"]*)"', done.stdout).group(1))
    wide = json.loads(re.search(r'data-wide="([^"]*)"', done.stdout).group(1).replace("&quot;", '"'))
    assert images == [True] * html.count("<img ")
    assert wide == []


def test_probabilities_have_no_leakage():
    classifier, sampler = (SimpleNamespace(content={"drawn": drawn}) for drawn in (
        {}, {"acceptance_mean": 0.98, "incomplete": 1}
    ))  # fmt: skip
    assert tables._leakage([classifier]) == tables.MISSING
    assert tables._leakage([sampler]) == "2.00%, 1 gave up"
