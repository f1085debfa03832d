"""How the code is built: which way imports point, and that one name stands for one thing."""

import ast
import itertools
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

# What a core installation does not bring: inside the package it may be imported only where it is used.
NOT_IN_THE_CORE = {
    "torch", "sbi", "sklearn", "matplotlib", "corner", "agama", "gala", "galpy", "dask", "distributed", "dask_jobqueue",
    "h5py", "hypothesis", "pytest",
}  # fmt: skip

PACKAGE = "mwlmc_data"
DATASET = [
    f"{PACKAGE}.dataset.{name}"
    for name in (
        "batches", "batches_datasets", "batches_torch", "catalogue", "haloes", "library", "made", "manifest", "release",
        "sameness", "store", "verification",
    )
]  # fmt: skip
# The simulator knows the names and units of the columns, and nothing else about the dataset.
UNKNOWN_TO_THE_SIMULATOR = (
    *DATASET,
    *(
        f"{PACKAGE}.{name}"
        for name in (
            "priors", "rewinding", "fetching", "validation", "snapshots", "scoring", "inference", "cli", "commands",
        )
    ),
)
# (importer, what it must not import): a name stands for the module and everything below it.
FORBIDDEN = [
    (PACKAGE, ("generation", "benchmarks", "tests")),
    ("generation", ("benchmarks", "tests")),
    ("benchmarks", ("generation", "tests")),
    (f"{PACKAGE}.simulator", UNKNOWN_TO_THE_SIMULATOR),
    (f"{PACKAGE}.rewinding", DATASET),
    (f"{PACKAGE}.live", UNKNOWN_TO_THE_SIMULATOR),
    *((f"{PACKAGE}.rewinding", (f"{PACKAGE}.{name}",)) for name in ("scoring", "inference", "cli", "commands")),
    (f"{PACKAGE}.simulator.engines", tuple(f"{PACKAGE}.simulator.{name}" for name in ("many", "rows", "simulation"))),
    *((f"{PACKAGE}.{name}", (f"{PACKAGE}.scoring", f"{PACKAGE}.cli")) for name in ("dataset", "priors", "fetching")),
    *((f"{PACKAGE}.{name}", (f"{PACKAGE}.dataset", f"{PACKAGE}.simulator")) for name in ("arguments", "storage")),
    (f"{PACKAGE}.scoring", (f"{PACKAGE}.cli",)),
    *((f"{PACKAGE}.{name}", (f"{PACKAGE}.snapshots",)) for name in ("rewinding", "validation", "scoring", "inference")),
    (f"{PACKAGE}.snapshots", (f"{PACKAGE}.inference", f"{PACKAGE}.cli", f"{PACKAGE}.commands")),
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


# What each part of benchmarks/ may import of the others, as docs/CODE_MAP.md says.
ESTIMATORS = ("baselines", "detectors", "references", "star_references", "embedded")
LEADERBOARD = ("leaderboard", "leaderboard_text", "leaderboard_page")
COMPETITION = ("suite", *LEADERBOARD)
MAY_IMPORT = {
    "common": (),
    "references": ("common",),
    "star_references": ("common", "references"),
    "baselines": ("common", "references"),
    "detectors": ("common", "baselines"),
    "survey_references": ("common", "references"),
    "embedded": ("common", "baselines", "suite.jobs", "suite.models"),
    "paper": ("common", *ESTIMATORS),
    "suite": ("common", *ESTIMATORS, "paper"),
    **dict.fromkeys(LEADERBOARD, ("common", *ESTIMATORS, "paper", *COMPETITION)),
    "studies": ("common", *ESTIMATORS, "paper", *COMPETITION),
}
STARTERS = ("__main__", "commands")


def test_the_parts_of_the_benchmark_import_as_the_code_map_says(repository):
    code_map = (repository / "docs" / "CODE_MAP.md").read_text(encoding="utf-8")
    parts = {module.split(".")[1] for module in modules_of(repository, "benchmarks") if "." in module}
    assert parts == {*MAY_IMPORT, *STARTERS}
    assert [part for part in parts if part not in code_map and part != "__main__"] == []
    graph = module_graph(repository, ("benchmarks",))
    violations = [
        f"{importer} imports {target}"
        for importer, targets in graph.items()
        for target in targets
        for part in importer.split(".")[1:2]
        if part not in STARTERS and target != "benchmarks"
        if not any(is_within(target, f"benchmarks.{name}") for name in (part, *MAY_IMPORT[part]))
    ]
    assert violations == []


def test_commands_import_each_program_inside_the_function_that_runs_it(repository):
    programs = [
        f"{entry.importer} imports {entry.target}"
        for entry in all_imports(repository, "benchmarks")
        if is_within(entry.importer, "benchmarks.commands") and is_within(entry.target, "benchmarks")
        if entry.at_import and not is_within(entry.target, "benchmarks.commands")
    ]
    assert programs == []


def find_shared_names(sources: dict[str, str]) -> dict[str, list[str]]:
    """Public classes that several modules define, by name; those within functions and classes count too."""
    homes = defaultdict(list)
    for module, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    return {name: modules for name, modules in homes.items() if len(modules) > 1}


def test_no_two_public_classes_share_a_name(repository):
    nested = "def make():\n    class Network: pass\n    class _Own: pass\n"
    assert find_shared_names({"a": "class Network: pass\nclass _Own: pass\n", "b": nested}) == {"Network": ["a", "b"]}
    paths = [path for top in (PACKAGE, "generation", "benchmarks") for path in (repository / top).rglob("*.py")]
    sources = {str(path.relative_to(repository)): path.read_text(encoding="utf-8") for path in sorted(paths)}
    assert len(sources) > 100 and find_shared_names(sources) == {}
