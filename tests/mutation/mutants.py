"""Which mutants there are, as cosmic-ray makes them, and a seeded sample of them."""

from __future__ import annotations

import ast
import hashlib
import itertools
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.work_item import MutationSpec, WorkItem

CONFIG = Path(__file__).with_name("mutation.toml")


@dataclass(frozen=True)
class Package:
    """What is mutated of a package, and with which tests.

    Attributes
    ----------
    name : str
    modules : tuple of str
        Files that are mutated, relative to the checkout.
    tests : tuple of str
        Where tests are looked for.
    interpreted : frozenset of str
        Files whose mutants run with numba's compiler off.
    interpreted_tests : tuple of str
        Where tests of these are looked for.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    interpreted: frozenset[str]
    interpreted_tests: tuple[str, ...]


def load(name: str, root: Path) -> tuple[Package, list[re.Pattern[str]]]:
    """The package of that name, and patterns of the operators that are left out.

    Raises
    ------
    ValueError
        If there is no such package.
    """
    config = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    if name not in config["packages"]:
        raise ValueError(f"package {name!r} is unknown; allowed: {', '.join(config['packages'])}")
    own: dict[str, Any] = config["packages"][name]
    found = sorted({path for pattern in own["modules"] for path in root.glob(pattern)})
    modules = [path.relative_to(root).as_posix() for path in found if path.name not in own.get("exclude", ())]
    interpreted = frozenset(path for path in modules if Path(path).name in own.get("interpreted", ()))
    package = Package(name, tuple(modules), tuple(own["tests"]), interpreted, tuple(own.get("interpreted_tests", ())))
    patterns = config["cosmic-ray"]["filters"]["operators-filter"]["exclude-operators"]
    return package, [re.compile(pattern) for pattern in patterns]


def all_mutants(root: Path, package: Package, excluded: list[re.Pattern[str]]) -> list[MutationSpec]:
    """Every mutant of a package, in the order of files and lines, but for those that never run."""
    operators = {}
    for name in operator_names():
        if not any(pattern.fullmatch(name) for pattern in excluded) and not get_operator(name).arguments():
            operators[name] = get_operator(name)()
    found: list[MutationSpec] = []
    for module in package.modules:
        never = _never_run((root / module).read_text(encoding="utf-8"))
        nodes = list(ast_nodes(get_ast_from_path(root / module)))
        for name, operator in operators.items():
            places = [place for node in nodes for place in operator.mutation_positions(node)]
            for occurrence, (start, end) in enumerate(places):
                if not any(first <= start and end <= last for first, last in never):
                    found.append(MutationSpec(root / module, name, occurrence, start, end))
    return sorted(found, key=lambda s: (str(s.module_path), s.start_pos, s.operator_name, s.occurrence))


def sample(specs: list[MutationSpec], root: Path, size: int, seed: int) -> list[WorkItem]:
    """A sample without repetition: those of the least hashes of seed, file, operator, and text of the line.

    The sample is as good as random, a longer one begins with a shorter one, and a change of one line does not affect
    whether others are drawn.
    """
    sources = {path: path.read_text(encoding="utf-8") for path in {spec.module_path for spec in specs}}
    texts = {path: source.splitlines() for path, source in sources.items()}
    seen: Counter[str] = Counter()
    found = []
    for spec in specs:
        module = spec.module_path.relative_to(root).as_posix()
        what = f"{module}|{spec.operator_name}|{texts[spec.module_path][spec.start_pos[0] - 1].strip()}"
        lot = hashlib.sha256(f"{seed}|{what}|{seen[what]}".encode()).hexdigest()[:12]
        seen[what] += 1
        found.append(WorkItem.single(lot, spec))
    in_order = sorted(found, key=lambda item: item.job_id)
    valid = (item for item in in_order if _is_python(sources[item.mutations[0].module_path], item.mutations[0]))
    return list(itertools.islice(valid, size))


def _is_python(source: str, spec: MutationSpec) -> bool:
    """Whether a mutant can be run at all.

    Only AddNot makes mutants that are not valid Python, and ExceptionReplacer (of 8.7) fails at a dotted name.
    """
    if spec.operator_name not in ("core/AddNot", "core/ExceptionReplacer"):
        return True
    try:
        ast.parse(mutated(source, spec) or "")
    except (SyntaxError, AttributeError):
        return False
    return True


def mutated(source: str, spec: MutationSpec) -> str | None:
    """The text of the mutant; None if it equals the original."""
    text = mutate_code(source, get_operator(spec.operator_name)(**spec.operator_args), spec.occurrence)
    return None if text == source else text


def _never_run(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Positions of annotations, which no module here evaluates, and of code that only type checkers read."""
    nodes: list[ast.AST | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            nodes += [arg.annotation for arg in every if arg is not None] + [node.returns]
        elif isinstance(node, ast.AnnAssign):
            nodes.append(node.annotation)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            nodes.append(node)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0])[:1].isupper() and _is_union(node.value):
            nodes.append(node.value)
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes if n is not None]  # type: ignore


def _is_union(node: ast.AST) -> bool:
    """Whether an expression is an alias of types, such as `Uniform | Normal`."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and isinstance(node.left, ast.Name)
