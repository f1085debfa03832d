"""The notebooks: committed as executed, free of traces of the machine, and reproducible."""

import re
import shlex

import nbformat
import pytest

from examples.__main__ import FOLDER, execute, list_notebooks, tidy, warm_up
from generation.__main__ import _make_parser as generation_parser
from mwlmc_data.cli import _make_parser as mwlmc_parser

NUMBER = re.compile(r"(?<!\w)[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
#: Largest relative difference of a number between two machines; digits that are printed may differ by one and a half.
TOLERANCE = 0.01
MACHINE = re.compile(
    r"(?<![\w.:/-])/(?:home|root|work|tmp|var|usr|opt|mnt|private|Users|Volumes)/|\b[A-Z]:\\|site-packages|0x[0-9a-f]{6}|localhost|127\.0\.0"
)
LARGEST = 600_000
PROGRAMS = {"python -m generation ": generation_parser, "mwlmc ": mwlmc_parser}


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed_text(cell):
    """All text that a cell prints or displays."""
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "\n".join(texts)


def figures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def words(text):
    """The text without its numbers; line breaks do not matter."""
    return re.sub(r"[\s\\]+", " ", NUMBER.sub("#", text)).strip()


def disagreement(old, new):
    """Describe how two texts differ beyond the last digits of their numbers; None if they do not."""
    if words(old) != words(new):
        return f"was reported:\n{old}\nis reported:\n{new}"
    for a, b in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
        digits = max(len(number.partition("e")[0].partition(".")[2]) for number in (a, b))
        exponent = max(int(number.partition("e")[2] or 0) for number in (a, b))
        if abs(float(a) - float(b)) > TOLERANCE * max(abs(float(a)), abs(float(b))) + 1.5 * 10.0 ** (exponent - digits):
            return f"{a} was reported, {b} is reported, in:\n{new}"
    return None


@pytest.fixture(params=list_notebooks(), ids=lambda path: path.stem)
def path(request):
    return request.param


def test_the_readme_lists_the_notebooks():
    assert list_notebooks()
    listed = re.findall(r"\]\((\w+\.ipynb)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in list_notebooks()]


@pytest.mark.parametrize(
    ("old", "new", "agree"),
    [
        ("v 53.4 +- 3.9 km/s", "v 53.3 +- 3.9  km/s", True),
        ("v 53.4 +- 3.9 km/s", "v 54.6 +- 3.9 km/s", False),
        ("v 53.4 +- 3.9 km/s", "v 53.4 +- 3.9 kpc", False),
        ("-7.0", "7.0", False),
        ("-0.0", "0.1", True),
        ("1.403540e+12", "1.403541e+12", True),
        ("1.40e+12", "1.40e+11", False),
        ("(4500, 3)", "(4500, 3)", True),
        ("(4500, 3)", "(4600, 3)", False),
        ("vx_travel_50_100 1", "vx_travel_50_300 1", False),
        ("True", "False", False),
    ],
)
def test_texts_are_compared(old, new, agree):
    assert (disagreement(old, new) is None) == agree


@pytest.mark.parametrize("text", ["/home/someone/x.py", "at /tmp/a/b", "<X at 0x7f77c6f1cd0>", "C:\\Users\\x"])
def test_traces_of_a_machine_are_found(text):
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", ["km/s", "l / b", "https://example.org/home/x", "[x](../tmp/y)", "image/png"])
def test_other_text_is_not_a_trace(text):
    assert not MACHINE.search(text)


class TestCommitted:
    def test_it_was_executed_in_order_without_errors(self, path):
        notebook = read(path)
        nbformat.validate(notebook)
        cells = code_cells(notebook)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        outputs = [output for cell in cells for output in cell.outputs]
        assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
        assert [output.text for output in outputs if output.get("name") == "stderr"] == []
        assert sum(map(figures, cells)) >= 2

    def test_it_holds_no_trace_of_the_machine(self, path):
        notebook = read(path)
        for cell in notebook.cells:
            found = MACHINE.search(cell.source + "\n" + (printed_text(cell) if cell.cell_type == "code" else ""))
            assert found is None, f"{found[0]} in {cell.id}"
        assert tidy(read(path)) == notebook, "not written by python -m examples"
        assert path.stat().st_size < LARGEST

    def test_links_lead_somewhere(self, path):
        targets = [link for cell in read(path).cells for link in re.findall(r"\]\((?!https?:)([^)]+)\)", cell.source)]
        assert [link for link in targets if not (FOLDER / link).exists()] == []

    def test_commands_are_understood(self, path):
        prose = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
        lines = [line.strip() for text in prose for line in text.splitlines() if line.startswith("    ")]
        for line in lines:
            (program,) = [name for name in PROGRAMS if line.startswith(name)]
            PROGRAMS[program]().parse_args(shlex.split(line.removeprefix(program), comments=True))


@pytest.fixture(scope="module")
def warm():
    """Kernels are compiled and caches built."""
    warm_up()


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_it_says_the_same_when_it_runs_again(path):
    old, new = read(path), execute(path)
    for before, after in zip(code_cells(old), code_cells(new), strict=True):
        where = f"{path.name}, {after.id}"
        assert figures(after) == figures(before), where
        if "varies" in before.metadata.get("tags", []):
            # The result of training differs between machines, and line breaks follow the widths of numbers.
            assert set(words(printed_text(after)).split()) == set(words(printed_text(before)).split()), where
        else:
            assert disagreement(printed_text(before), printed_text(after)) is None, where
