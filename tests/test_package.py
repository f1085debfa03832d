"""The package overall: what an import costs, and whether its files agree."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import mwlmc_data

PUBLIC_NAMES = (
    "Parameters",
    "Prior",
    "cite",
    "corner_plot",
    "enclosed_masses",
    "fetch",
    "fit_reflex",
    "fit_reflex_observed",
    "galactocentric_frame",
    "get_task",
    "list_tasks",
    "load_catalogue",
    "load_halo",
    "load_haloes",
    "log_density",
    "log_likelihood",
    "rewind",
    "simulate",
    "simulate_many",
    "validation_cases",
)

NOT_AT_IMPORT = {
    "torch",
    "numba",
    "pandas",
    "datasets",
    "astropy",
    "pyarrow",
    "scipy",
    "sbi",
    "matplotlib",
    "pooch",
}


def imported_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after running `code`."""
    report = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code + report]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(repository: Path) -> dict[str, str]:
    return pins_of(repository / "constraints.txt")


def pins_of(path: Path) -> dict[str, str]:
    """Name -> pinned version of a file of constraints; a line of any other form is an error."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)", line)
        assert match, f"{path.name}: not a plain pin: {line!r}"
        name = canonicalize_name(match[1])
        assert name not in found, f"{path.name} pins {name} twice"
        found[name] = match[2]
    return found


def test_importing_the_package_is_light():
    loaded = imported_by("import mwlmc_data")
    assert "mwlmc_data" in loaded
    assert sorted(loaded & NOT_AT_IMPORT) == []


def test_loading_the_catalogue_needs_neither_torch_nor_numba():
    loaded = imported_by("import mwlmc_data; mwlmc_data.load_catalogue(columns=['sim_id'])")
    assert "pandas" in loaded
    assert sorted(loaded & {"torch", "numba", "sbi", "matplotlib"}) == []


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_public_names_exist(name):
    assert name in dir(mwlmc_data)
    assert name in mwlmc_data.__all__
    value = getattr(mwlmc_data, name)
    assert callable(value)
    assert value.__doc__


def test_snapshots_are_a_module_that_loads_when_it_is_used():
    assert "snapshots" in dir(mwlmc_data) and "snapshots" in mwlmc_data.__all__
    loaded = imported_by("import mwlmc_data")
    assert not any(name.startswith("mwlmc_data.snapshots") for name in loaded)
    loaded = imported_by("import mwlmc_data; mwlmc_data.snapshots.read, mwlmc_data.snapshots.measure")
    assert "mwlmc_data.snapshots.measuring" in loaded and sorted(loaded & {"h5py", "torch", "matplotlib"}) == []


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="load_catalog_of_dreams"):
        mwlmc_data.load_catalog_of_dreams  # noqa: B018


def test_versions_agree(repository, project):
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "mwlmc_data/_version.py"
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None
    assert re.fullmatch(r"\d+\.\d+\.\d+", mwlmc_data.__version__)
    assert str(citation["version"]) == mwlmc_data.__version__
    assert newest[1] == mwlmc_data.__version__


def test_the_citation_file_names_the_paper_and_invents_no_identifier(repository):
    text = (repository / "CITATION.cff").read_text(encoding="utf-8")
    citation = yaml.safe_load(text)
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert [author["family-names"] for author in citation["references"][0]["authors"]] == [
        "Brooks",
        "Sanders",
        "Dillamore",
        "Garavito-Camargo",
        "Price-Whelan",
    ]
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:2507.10667"
    assert not {"doi", "identifiers", "url", "repository", "repository-code"} & citation.keys()


def test_the_wheel_holds_only_the_package(repository, project):
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["mwlmc_data"]}
    assert (repository / "mwlmc_data" / "py.typed").is_file()


def test_every_dependency_has_a_pin_that_satisfies_it(project, pins):
    extras = project["project"]["optional-dependencies"]
    # agama downloads further sources while it builds, so nothing requires it.
    wanted = [*project["project"]["dependencies"]]
    wanted += [*extras["benchmarks"], *extras["generation"], *extras["plot"], *extras["test"], *extras["docs"]]
    wanted += [*extras["samplers"], *extras["snapshots"]]
    assert len(wanted) > 10
    for text in wanted:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"constraints.txt does not pin {name}"
        assert requirement.specifier.contains(pins[name]), f"{text} is not satisfied by {pins[name]}"


def test_the_lowest_versions_that_are_tested_are_those_that_are_declared(repository, project):
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *extras["plot"], *extras["snapshots"]]
    declared = {}
    for text in wanted:
        requirement = Requirement(text)
        (lowest,) = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        declared[canonicalize_name(requirement.name)] = Version(lowest)
    tested = pins_of(repository / "constraints-lowest.txt")
    assert {name: Version(version) for name, version in tested.items()} == declared


def test_a_library_that_announces_a_breaking_change_is_capped(project, pins):
    (sbi,) = [Requirement(t) for t in project["project"]["optional-dependencies"]["benchmarks"] if t.startswith("sbi")]
    assert pins["sbi"] in sbi.specifier and "0.28.0" not in sbi.specifier


def test_the_core_needs_no_deep_learning_library(project):
    core = {canonicalize_name(Requirement(text).name) for text in project["project"]["dependencies"]}
    assert core.isdisjoint({"torch", "sbi", "agama", "matplotlib"})
    for extra, requirements in project["project"]["optional-dependencies"].items():
        names = {canonicalize_name(Requirement(text).name) for text in requirements}
        assert ("agama" in names) == (extra == "agama")
