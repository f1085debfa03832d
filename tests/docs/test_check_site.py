"""What is wrong with a site is found: dead links, dead anchors, and what would need a network."""

import importlib.util
import re
import subprocess
import sys

import pytest

import mwlmc_data

GOOD = '<html><head><link rel="stylesheet" href="a.css"></head><body id="top"><h2 id="é b">x</h2>{}</body></html>'


@pytest.fixture(scope="module")
def program(repository):
    return repository / "docs" / "check_site.py"


@pytest.fixture(scope="module")
def check_site(program):
    spec = importlib.util.spec_from_file_location("check_site", program)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path):
    """A folder of two pages, the first with the given body."""

    def build(body):
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / "a.css").write_text("")
        (tmp_path / "sub" / "two.html").write_text('<p id="here"><a href="../index.html#top">up</a>')
        (tmp_path / "index.html").write_text(GOOD.format(body), encoding="utf-8")
        return tmp_path

    return build


@pytest.mark.parametrize(
    "body",
    [
        "",
        '<a href="sub/two.html#here">two</a><a href="#%C3%A9%20b">anchor</a><a href="#top">top</a>',
        '<a href="https://example.org/dead">elsewhere</a><a href="mailto:a@example.org">post</a>',
        '<img src="data:image/png;base64,AAAA"><a href="a.css#any">a file</a>',
        '<link rel="canonical" href="https://example.org/"><a id="x" name="y"></a><a href="#y">y</a>',
        '<a href="">this page</a>',
    ],
)
def test_a_good_site_has_no_problems(check_site, site, body):
    assert list(check_site.problems(site(body))) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<a href="three.html">x</a>', "index.html links to three.html, which does not exist"),
        ('<a href="sub">x</a>', "index.html links to sub, which does not exist"),
        ('<a href="sub/two.html#there">x</a>', "index.html links to sub/two.html#there, which has no such anchor"),
        ('<a href="#there">x</a>', "index.html links to #there, which has no such anchor"),
        ('<a href="../else.html">x</a>', "index.html links to ../else.html, which is outside the site"),
        ('<img src="no.png">', "index.html links to no.png, which does not exist"),
        ('<script src="https://cdn.example.org/a.js"></script>', "index.html loads https://cdn.example.org/a.js"),
        ('<script src="//cdn.example.org/a.js"></script>', "index.html loads //cdn.example.org/a.js"),
        ('<link rel="stylesheet" href="http://example.org/font.css">', "index.html loads http://example.org/font.css"),
        ('<link rel="preload next" href="http://example.org/a">', "index.html loads http://example.org/a"),
        ('<iframe src="https://example.org/"></iframe>', "index.html loads https://example.org/"),
    ],
)
def test_every_problem_is_found(check_site, site, body, words):
    assert list(check_site.problems(site(body))) == [words]


def test_the_program_prints_problems_and_fails(program, site):
    command = [sys.executable, str(program)]
    bad = subprocess.run([*command, str(site('<a href="no.html">x</a>'))], capture_output=True, text=True)
    assert bad.returncode == 1 and bad.stdout == "index.html links to no.html, which does not exist\n"
    good = subprocess.run([*command, str(site(""))], capture_output=True, text=True)
    assert good.returncode == 0 and "every internal link exists" in good.stdout


def test_a_folder_without_pages_is_refused(check_site, tmp_path):
    with pytest.raises(ValueError, match="allowed is a folder with HTML pages"):
        list(check_site.problems(tmp_path))


def test_every_public_name_is_in_the_reference(repository):
    text = (repository / "docs" / "api" / "index.rst").read_text(encoding="utf-8")
    _, *parts = re.split(r"^\.\. currentmodule:: mwlmc_data(?:\.(\w+))?$", text, flags=re.M)
    found = {}
    for package, part in zip(parts[::2], parts[1::2], strict=True):
        found.setdefault(package, []).extend(re.findall(r"^\.\. auto(?:class|function):: (\w+)$", part, flags=re.M))
    for package in found.keys() - {None}:
        assert sorted(found[package]) == sorted(getattr(mwlmc_data, package).__all__)
    assert sorted([*found.pop(None), *found, "__version__"]) == sorted(mwlmc_data.__all__)


def test_every_room_is_in_the_reference(repository):
    rooms = {
        path.parent.relative_to(repository).as_posix().replace("/", ".")
        for path in (repository / "mwlmc_data").rglob("__init__.py")
    }
    text = "".join(path.read_text(encoding="utf-8") for path in (repository / "docs" / "api").glob("*.rst"))
    found = {line.removeprefix(".. modules of ") for line in text.splitlines() if line.startswith(".. modules of ")}
    # the public names have their own page, and commands are described by --help
    assert rooms - found == {mwlmc_data.__name__, "mwlmc_data.commands"}
    assert found <= rooms
