"""The Python examples of README.md and docs/ run as they stand, each page as one script without a guard."""

import os
import re
import subprocess
import sys
from typing import NamedTuple

import pytest


class Example(NamedTuple):
    """What a test runs of a page: its blocks, with replacements for slow steps and the reader's own files."""

    #: How many Python blocks the page has.
    blocks: int
    #: What the page says, and what runs here in its place.
    instead: dict[str, str]
    #: The reader's own part.
    before: str = ""
    #: Lines that print what is expected.
    after: str = ""
    expected: str = ""
    #: Heading of a section whose block another test runs.
    left_out: str = ""


EXAMPLES = {
    "README.md": Example(
        1,
        {"task.score(samples)": "task.score, task.theta_names", "mw.infer_stars(halo) ": "mw.infer_stars "},
        after="print(len(table), halo.source, task)",
        expected="108000 store <Task summary-9@1.0: m_lmc, m200_mw, log10_lambda_df from 9 data>",
    ),
    "docs/PACKAGE.md": Example(
        1,
        {'mw.load_haloes(split="train", columns=["m_lmc"])': 'mw.load_haloes(range(1000, 1020), columns=["m_lmc"])'},
        after='print(batch["positions"].shape, batch["m_lmc"].shape, simulation.halo.positions.shape)',
        expected="(20, 4500, 3) (20,) (4500, 3)",
    ),
    "docs/live.md": Example(
        1,
        {
            "particles=1_000_000, seed=0": "24_000, start=mw.integrate_orbit(parameters).relative[0], progress=False",
            "live.reflex_by_radius()": "live.reflex_by_radius(n_stars=2000)",
        },
        after='print(halo.positions.shape, len(live.masses), os.path.getsize("run.npz") < 200_000)',
        expected="(4500, 3) 111 True",
    ),
    "docs/STARS.md": Example(
        1,
        {'mw.load_haloes(split="train", format="torch",': 'mw.load_haloes(range(8), format="torch",'},
        after='print(halo.source, [b["positions"].shape for b in loader])',
        expected="store [torch.Size([8, 4500, 3])]",
    ),
    "docs/OBSERVATIONS.md": Example(
        1,
        {"print(giants.citation)": "text = giants.citation", "mw.infer(giants)": "mw.infer(giants, n=100)"},
        after="print(text.count('@'), posterior.samples.shape, posterior.reach, other.samples.shape, survey)",
        expected="1 (100, 3) 200.0 (10000, 3) "
        "<Selection: r 50 to inf kpc; footprint in_legacy_surveys; fraction 1>",
    ),
    "docs/SNAPSHOTS.md": Example(
        1,
        {},
        after='print(case.r_max, case.reflex.n_stars > 100, round(case.lmc["y_lmc"] - galaxy.y_lmc, 9), case.notes)',
        expected="100.0 True 0.0 ('axes: those of the snapshot',)",
    ),
    "docs/BENCHMARK.md": Example(
        4,
        {
            "stars.train": 'stars.load_split("train", 4)',
            "models.train.theta, models.train.x.stars": 'models.load_split("train", 4)',
        },
        before="""
import os
from mwlmc_data.scoring import metrics
os.environ["MWLMC_DATA_DIR"] = os.path.abspath("store")
def my_method(task):
    global log_prob_truth
    task.n_draws, n = 20, len(task.observations)
    log_prob_truth = task.prior.log_prob(task.observations.theta)
    return metrics.prior_draws(task.prior, 20 * n, seed=1).reshape(n, 20, 3).astype("float32")
def my_classifier(x):
    return [[0.2] * 5] * len(x.stars)
""",
        after='print(report["task"], samples.shape, sorted(os.listdir("my-entry")), train.x.stars.shape)',
        expected="models@1.0 (1100, 20, 3) ['manifest.json', 'samples.npz'] (4, 1024, 6)",
        left_out="## Units",  # tests/benchmarks/baselines/test_units_of_theta.py
    ),
}  # fmt: skip
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.M | re.S)


def text_of(repository, page):
    return (repository / page).read_text(encoding="utf-8")


def test_every_page_with_examples_is_tested(repository):
    pages = ["README.md", *(f"docs/{path.name}" for path in (repository / "docs").glob("*.md"))]
    assert {page for page in pages if BLOCK.search(text_of(repository, page))} == set(EXAMPLES)


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_of_a_page_run_as_a_script(page, repository, tmp_path):
    for library in ("torch", "matplotlib"):
        pytest.importorskip(library)
    example, text = EXAMPLES[page], text_of(repository, page)
    if example.left_out:
        text, n = re.subn(rf"^{example.left_out}\n.*?(?=^## )", "", text, flags=re.M | re.S)
        assert n == 1
    found = BLOCK.findall(text)
    assert len(found) == example.blocks
    script = "\n".join(found)
    for as_written, smaller in example.instead.items():
        assert script.count(as_written) == 1
        script = script.replace(as_written, smaller)
    lines = ["import os", "print('begins')", example.before, script, example.after]
    (tmp_path / "example.py").write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["begins", example.expected]
