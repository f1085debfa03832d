"""The package overall: what an import costs, which way imports point, whether its files agree."""

import ast
import itertools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

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
    "fetch",
    "fit_reflex",
    "fit_reflex_observed",
    "galactocentric_frame",
    "get_task",
    "list_tasks",
    "load_catalogue",
    "load_halo",
    "load_haloes",
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

# What a core installation does not bring: inside the package it may be imported only where it is used.
NOT_IN_THE_CORE = {
    "torch", "sbi", "sklearn", "matplotlib", "corner", "agama", "gala", "galpy", "dask", "distributed", "dask_jobqueue",
    "hypothesis", "pytest",
}  # fmt: skip

PACKAGE = "mwlmc_data"
DATASET = [
    f"{PACKAGE}.dataset.{name}"
    for name in (
        "batches", "batches_datasets", "batches_torch", "catalogue", "haloes", "library", "manifest", "release",
        "sameness", "store", "verification",
    )
]  # fmt: skip
# The simulator knows the names and units of the columns, and nothing else about the dataset.
UNKNOWN_TO_THE_SIMULATOR = (
    *DATASET,
    *(f"{PACKAGE}.{name}" for name in ("priors", "fetching", "validation", "scoring", "inference", "cli", "commands")),
)
# (importer, what it must not import): a name stands for the module and everything below it.
FORBIDDEN = [
    (PACKAGE, ("generation", "benchmarks", "tests")),
    ("generation", ("benchmarks", "tests")),
    ("benchmarks", ("generation", "tests")),
    (f"{PACKAGE}.simulator", UNKNOWN_TO_THE_SIMULATOR),
    (f"{PACKAGE}.simulator.engines", tuple(f"{PACKAGE}.simulator.{name}" for name in ("many", "rows", "simulation"))),
    *((f"{PACKAGE}.{name}", (f"{PACKAGE}.scoring", f"{PACKAGE}.cli")) for name in ("dataset", "priors", "fetching")),
    *((f"{PACKAGE}.{name}", (f"{PACKAGE}.dataset", f"{PACKAGE}.simulator")) for name in ("arguments", "storage")),
    (f"{PACKAGE}.scoring", (f"{PACKAGE}.cli",)),
]


class Import(NamedTuple):
    """One import statement: what is imported, by which module, and whether importing that module runs it."""

    importer: str
    target: str
    at_import: bool


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def targets_of(node: ast.Import | ast.ImportFrom, importer: str, is_package: bool) -> list[str]:
    """Absolute names; `from a import b` yields `a.b`, because b may be a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = importer.split(".")
        parts = parts[: len(parts) - node.level + is_package]
        base = ".".join([*parts, base] if base else parts)
    return [f"{base}.{alias.name}" for alias in node.names]


def imports_in(source: str, importer: str, is_package: bool) -> list[Import]:
    """All imports of a module, except those for type checkers only."""
    found: list[Import] = []

    def visit(node: ast.AST, at_import: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.extend(Import(importer, name, at_import) for name in targets_of(node, importer, is_package))
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.orelse:
                visit(child, at_import)
        else:
            runs_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                visit(child, at_import and not runs_later)

    visit(ast.parse(source), True)
    return found


def all_imports(repository: Path, top: str) -> list[Import]:
    found = []
    for path in sorted((repository / top).rglob("*.py")):
        parts = list(path.relative_to(repository).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        importer = ".".join(parts[:-1] if is_package else parts)
        found.extend(imports_in(path.read_text(encoding="utf-8"), importer, is_package))
    return found


def modules_of(repository: Path, top: str) -> set[str]:
    """Names of the modules and packages below a folder."""
    paths = (path.relative_to(repository).with_suffix("") for path in (repository / top).rglob("*.py"))
    return {".".join(path.parts[:-1] if path.name == "__init__" else path.parts) for path in paths}


def module_graph(repository: Path, tops: tuple[str, ...]) -> dict[str, set[str]]:
    """Module -> modules that it imports, those within functions included, those for type checkers excluded."""
    modules = set().union(*(modules_of(repository, top) for top in tops))
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for entry in (entry for top in tops for entry in all_imports(repository, top)):
        target = entry.target if entry.target in modules else entry.target.rpartition(".")[0]
        if target in modules and target != entry.importer:
            graph[entry.importer].add(target)
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others."""
    reached: dict[str, set[str]] = {}
    for module in graph:
        seen: set[str] = set()
        todo = [module]
        while todo:
            todo += (new := graph[todo.pop()] - seen)
            seen |= new
        reached[module] = seen
    groups = {tuple(sorted(m for m in reached[module] if module in reached[m])) for module in graph}
    return [list(group) for group in sorted(groups) if group]


def is_within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


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
    assert PACKAGE in loaded
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


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="load_catalog_of_dreams"):
        mwlmc_data.load_catalog_of_dreams  # noqa: B018


def test_the_scanner_sees_every_form_of_import():
    source = """
import torch.nn
from typing import TYPE_CHECKING
from . import catalogue
from ..scoring.metrics import tarp
if TYPE_CHECKING:
    import pandas
else:
    import numba
try:
    import agama
except ImportError:
    agama = None
def later():
    from generation import shards
"""
    imports = imports_in(source, "mwlmc_data.simulator.equilibrium", False)
    assert {entry.target: entry.at_import for entry in imports} == {
        "torch.nn": True,
        "typing.TYPE_CHECKING": True,
        "mwlmc_data.simulator.catalogue": True,
        "mwlmc_data.scoring.metrics.tarp": True,
        "numba": True,
        "agama": True,
        "generation.shards": False,
    }
    in_a_package = imports_in("from .stars import Halo", "mwlmc_data.simulator", True)
    assert in_a_package == [Import("mwlmc_data.simulator", "mwlmc_data.simulator.stars.Halo", True)]


@pytest.mark.parametrize(("importer", "forbidden"), FORBIDDEN, ids=[importer for importer, _ in FORBIDDEN])
def test_imports_point_one_way(repository, importer, forbidden):
    violations = [
        f"{entry.importer} imports {entry.target}"
        for entry in all_imports(repository, importer.partition(".")[0])
        if is_within(entry.importer, importer) and any(is_within(entry.target, name) for name in forbidden)
    ]
    assert violations == []


# A method that draws may import plotting inside the function: plotting knows what it draws.
DRAWN = {f"{PACKAGE}.simulator.stars": {f"{PACKAGE}.plotting.halo"}}


def test_no_modules_import_each_other_in_a_circle(repository):
    graph = module_graph(repository, (PACKAGE, "generation", "benchmarks", "examples"))
    for module, drawings in DRAWN.items():
        assert graph[module] >= drawings
        graph[module] -= drawings
    assert circles(graph) == []


def find_trailing_strings(source):
    """Lines of the strings that stand below an assignment in a module or a class."""
    bodies = [node.body for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Module | ast.ClassDef)]
    pairs = [pair for body in bodies for pair in itertools.pairwise(body)]
    return [
        below.lineno
        for above, below in pairs
        if isinstance(above, ast.Assign | ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    ]


def test_constants_are_explained_by_a_comment_above_them(repository):
    assert find_trailing_strings('A = 1\n"""One."""\nclass B:\n    c: int = 1\n    "Two."\n') == [2, 5]
    assert find_trailing_strings('"""M."""\n#: One.\nA = 1\ndef f():\n    """F."""\n') == []
    tops = ("mwlmc_data", "generation", "benchmarks", "examples", "tests", "docs")
    paths = [path for top in tops for path in sorted((repository / top).rglob("*.py"))]
    found = {str(path.relative_to(repository)): find_trailing_strings(path.read_text("utf-8")) for path in paths}
    assert len(found) > 100 and {path: lines for path, lines in found.items() if lines} == {}


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}
    assert circles(graph) == [["a", "b", "c"]]
    assert circles(graph | {"c": {"d"}}) == []


@pytest.mark.parametrize("top", [PACKAGE, "generation", "benchmarks", "examples", "tests"])
def test_imports_are_absolute(repository, top):
    relative = [
        f"{path}:{node.lineno}"
        for path in (repository / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_the_package_imports_optional_libraries_only_where_it_uses_them(repository):
    """Code for an optional library lives in a module of its own, which is loaded when it is used."""
    homes = {"torch": ("_torch", "priors.torch"), "agama": ("engines.agama",)}

    def is_home(module: str) -> bool:
        return module.endswith(tuple(ending for endings in homes.values() for ending in endings))

    def is_allowed(entry: Import) -> bool:
        library = entry.target.partition(".")[0]
        if library == PACKAGE:
            return not is_home(entry.target) and not is_home(entry.target.rpartition(".")[0])
        return library not in NOT_IN_THE_CORE or (library in homes and entry.importer.endswith(homes[library]))

    imports = [entry for entry in all_imports(repository, PACKAGE) if entry.at_import]
    assert imports
    violations = [f"{entry.importer} imports {entry.target}" for entry in imports if not is_allowed(entry)]
    assert violations == []


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
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": [PACKAGE]}
    assert (repository / PACKAGE / "py.typed").is_file()


def test_every_dependency_has_a_pin_that_satisfies_it(project, pins):
    extras = project["project"]["optional-dependencies"]
    # agama downloads further sources while it builds, so nothing requires it.
    wanted = [*project["project"]["dependencies"]]
    wanted += [*extras["benchmarks"], *extras["generation"], *extras["plot"], *extras["test"], *extras["docs"]]
    assert len(wanted) > 10
    for text in wanted:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"constraints.txt does not pin {name}"
        assert requirement.specifier.contains(pins[name]), f"{text} is not satisfied by {pins[name]}"


def test_the_lowest_versions_that_are_tested_are_those_that_are_declared(repository, project):
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["plot"]]
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
