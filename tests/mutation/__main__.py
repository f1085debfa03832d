"""Mutation tests: ``python -m tests.mutation PACKAGE``.

Draws a seeded sample of cosmic-ray's mutants of a package and runs, for each, the tests that reach its lines, the
quickest first, until one fails. Which tests reach a line is measured once. A stopped run resumes where it stopped.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutation import mutants, running
from tests.mutation.mutants import Package

ROOT = Path(__file__).resolve().parents[2]


class Session:
    """A package's mutants, its copy of the checkout, and the results."""

    def __init__(self, package: Package, home: Path, most: float, names: Sequence[str] = ("",)) -> None:
        self.package, self.home, self.most, self.names = package, home, most, names
        self.tree, self.log = home / "tree", home / "last.log"
        self.reached: dict[bool, dict] = {}

    def measure(self, chosen: Sequence[str] | None) -> None:
        """Note which tests reach which lines, compiled and interpreted: of all tests, or again of those chosen."""
        wanted = {True: (self.package.modules, self.package.tests)}
        if self.package.interpreted:
            wanted[False] = (tuple(self.package.interpreted), self.package.interpreted_tests)
        for is_compiled, (modules, tests) in wanted.items():
            out = self.home / ("compiled.json" if is_compiled else "interpreted.json")
            known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"tests": {}, "lines": {}}
            if chosen or not out.exists():
                for test in self._files(chosen or tests, tests):
                    _merge(known, self._measured(test, modules, is_compiled), test)
                    out.write_text(json.dumps(known), encoding="utf-8")
            self.reached[is_compiled] = known

    def _files(self, paths: Sequence[str], within: Sequence[str]) -> list[str]:
        """Files of tests in files and folders, of those in `within`."""
        found = []
        for path in paths:
            place = self.tree / path
            found += sorted(place.glob("test_*.py")) if place.is_dir() else [place]
        names = [place.relative_to(self.tree).as_posix() for place in found]
        return [name for name in names if name.startswith(tuple(within))]

    def _measured(self, test: str, modules: Sequence[str], is_compiled: bool) -> dict[str, dict]:
        """The tests of one file, and which lines each reaches."""
        print(f"measuring {test}, {'compiled' if is_compiled else 'interpreted'} ...", flush=True)
        found = self.home / "measured.json"
        found.unlink(missing_ok=True)

        def run() -> int:
            running.enter(self.tree, is_compiled)
            sys.dont_write_bytecode = False
            return running.measure(self.tree, modules, [test], found, is_compiled)

        running.forked(run, self.log, 1200, 6000)
        return json.loads(found.read_text(encoding="utf-8")) if found.exists() else {"tests": {}, "lines": {}}

    def tests_of(self, module: str, line: int, is_compiled: bool) -> list[str]:
        """Tests that reach a line, the quickest first.

        What runs once in a process, when a module is loaded or a result is kept, is reached by all tests of those files
        of which any reaches the module: some may only look at its constants.
        """
        reached = self.reached[is_compiled]
        lines = reached["lines"].get(module, {})
        contexts = {c for number in self._statement(module, line) for c in lines.get(str(number), []) if c}
        if not any(c in reached["tests"] for c in contexts) or self._is_kept(module, line):
            contexts |= {c for each in lines.values() for c in each if c}
            files = {c.partition("::")[0] for c in contexts} | {f for f in self.package.tests if f.endswith(".py")}
            contexts |= {name for name in reached["tests"] if name.partition("::")[0] in files}
        fixtures = {c.removeprefix("fixture ") for c in contexts if c.startswith("fixture ")}
        kept, found = reached.get("kept", {}), []
        for name, facts in reached["tests"].items():
            if not facts["passed"] or not any(part in name for part in self.names):
                continue
            if not contexts or name in contexts or fixtures & set(facts["fixtures"]):
                slow = {fixture for fixture in facts["fixtures"] if kept.get(fixture, 0.0) > 0.1}
                cost = facts["seconds"] + sum(kept[fixture] for fixture in slow)
                found.append((not contexts and f"test_{Path(module).stem}" not in name, cost, name, slow))
        chosen, total, made = [], 0.0, set()
        for _, _, name, slow in sorted(found, key=lambda one: one[:3]):
            total += reached["tests"][name]["seconds"] + sum(kept[fixture] for fixture in slow - made)
            if chosen and total > self.most:
                break
            chosen.append(name)
            made |= slow
        return chosen

    def _statement(self, module: str, line: int) -> range:
        """Lines of the smallest statement that holds a line: only its first may be noted as run."""
        tree = ast.parse((self.tree / module).read_text(encoding="utf-8"))
        simple = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and not hasattr(n, "body")]
        within = [n for n in simple if n.lineno <= line <= (n.end_lineno or 0)]
        return range(within[0].lineno, (within[0].end_lineno or 0) + 1) if within else range(line, line + 1)

    def _is_kept(self, module: str, line: int) -> bool:
        """Whether a line belongs to a function whose results are kept: only its first caller runs it."""
        for node in ast.walk(ast.parse((self.tree / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0):
                if any("cache" in ast.unparse(d) for d in node.decorator_list):
                    return True
        return False

    def run(self, item: WorkItem) -> WorkResult:
        """Whether the tests see a mutant."""
        spec = item.mutations[0]
        module = spec.module_path.relative_to(self.tree).as_posix()
        is_compiled = module not in self.package.interpreted
        path = self.tree / module
        source = path.read_text(encoding="utf-8")
        text = mutants.mutated(source, spec)
        if text is None:
            return WorkResult(WorkerOutcome.SKIPPED)
        tests = self.tests_of(module, spec.start_pos[0], is_compiled)
        if not tests:
            return WorkResult(WorkerOutcome.NO_TEST, test_outcome=TestOutcome.SURVIVED, output="no test reaches it")
        normal = sum(self.reached[is_compiled]["tests"][name]["seconds"] for name in tests)
        status = self._status(path, text, tests, is_compiled, normal)
        survived = status in (0, 5)
        reported = "survived" if survived else "time" if status == running.KILLED_BY_TIME else f"status {status}"
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        first = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), "")
        return WorkResult(
            WorkerOutcome.NORMAL,
            test_outcome=TestOutcome.SURVIVED if survived else TestOutcome.KILLED,
            output=f"{reported}; {len(tests)} tests of {normal:.1f} s; {first}",
        )

    def _status(self, path: Path, text: str, tests: list[str], is_compiled: bool, normal: float) -> int:
        before, stat = path.read_bytes(), path.stat()

        def run() -> int:
            running.enter(self.tree, is_compiled)
            return running.run_chosen(self.tree, tests)

        try:
            path.write_text(text, encoding="utf-8")
            # another time than any compiled form was made from
            os.utime(path, (stat.st_atime, time.time() + 1000))
            status = running.forked(run, self.log, 3 * normal + 20, 20 * normal + 120)
            if status == running.FAILED:
                raise RuntimeError(f"the tests could not be run: {self.log.read_text(encoding='utf-8')}")
            return status
        finally:
            path.write_bytes(before)
            os.utime(path, (stat.st_atime, stat.st_mtime))


def _merge(known: dict[str, dict], found: dict[str, dict], test: str) -> None:
    """Replace what was known of a file of tests by what was found."""
    old = {name for name in known["tests"] if name.startswith(f"{test}::")}
    known["tests"] = {name: facts for name, facts in known["tests"].items() if name not in old} | found["tests"]
    for lines in known["lines"].values():
        for line, contexts in lines.items():
            lines[line] = [context for context in contexts if context not in old]
    known["kept"] = known.get("kept", {}) | found.get("kept", {})
    for module, lines in found["lines"].items():
        own = known["lines"].setdefault(module, {})
        for line, contexts in lines.items():
            own[line] = sorted({*own.get(line, ()), *contexts})


def describe(item: WorkItem) -> str:
    """Where a mutant is and what it changes."""
    spec = item.mutations[0]
    path = spec.module_path
    lines = path.read_text(encoding="utf-8").splitlines()
    after = (mutants.mutated(path.read_text(encoding="utf-8"), spec) or "").splitlines()
    row = spec.start_pos[0] - 1
    changed = next((a for b, a in zip(lines, after, strict=False) if a != b), "")
    place = f"{path.parent.name}/{path.name}:{row + 1}"
    return f"{item.job_id} {place}\n    - {lines[row].strip()}\n    + {changed.strip()}"


def report(items: Sequence[WorkItem], results: Mapping[str, WorkResult], name: str) -> str:
    """Killed of all, with the binomial error, and the survivors."""
    done = [(item, results[item.job_id]) for item in items if item.job_id in results]
    counted = [(item, result) for item, result in done if result.worker_outcome != WorkerOutcome.SKIPPED]
    survivors = [(item, result) for item, result in counted if result.test_outcome == TestOutcome.SURVIVED]
    n = max(len(counted), 1)
    share = 1 - len(survivors) / n
    files = Counter(item.mutations[0].module_path.name for item, _ in survivors)
    lines = [f"{describe(item)}\n    {result.output}" for item, result in survivors]
    lines.append(f"survivors by file: {dict(files.most_common())}")
    error = math.sqrt(share * (1 - share) / n)
    lines.append(f"{name}: {len(counted) - len(survivors)} of {len(counted)} killed, {share:.1%} +- {error:.1%}")
    return "\n".join(lines)


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("package", help="simulator, scoring, fetching or generation")
    parser.add_argument("--sample", type=int, default=300, help="mutants; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the sample; default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("build/mutation"), help="default: %(default)s")
    parser.add_argument("--most", type=float, default=30.0, help="seconds of tests for a mutant; default: %(default)s")
    parser.add_argument("--measure", nargs="*", help="files of tests whose lines are noted again; by default all")
    parser.add_argument("--again", choices=["survivors", "all"], help="forget these results first")
    parser.add_argument("--tests", nargs="+", default=[""], help="ask only tests whose names hold one of these")
    parser.add_argument("--report", action="store_true", help="print the results so far and run nothing")
    args = parser.parse_args()
    home = (args.out / args.package).absolute()
    tree = home / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    if not args.report:
        running.copy_checkout(ROOT, tree)
    package, excluded = mutants.load(args.package, tree)
    database = home / f"sample-{args.seed}.sqlite"
    db = WorkDB(str(database), WorkDB.Mode.create)
    specs = mutants.all_mutants(tree, package, excluded)
    items = mutants.sample(specs, tree, args.sample, args.seed)
    known = {item.job_id for item in db.work_items}
    db.add_work_items([item for item in items if item.job_id not in known])
    results = dict(db.results)
    if args.report:
        print(report(items, results, args.package))
        return 0
    running.preload()
    session = Session(package, home, args.most, args.tests)
    session.measure(package.tests if args.measure == [] else args.measure)
    print(f"{len(specs)} mutants of {len(package.modules)} files, {len(items)} in the sample", flush=True)
    forgotten = {"all": set(TestOutcome), "survivors": {TestOutcome.SURVIVED}}.get(args.again, set())
    for item in items:
        if item.job_id in results and results[item.job_id].test_outcome not in forgotten:
            continue
        start, before = time.monotonic(), os.times()
        result = session.run(item)
        if result.worker_outcome == WorkerOutcome.NO_TEST and args.tests != [""]:
            continue  # none of the chosen tests reaches it
        results[item.job_id] = result
        db.set_result(item.job_id, result)
        after, spec = os.times(), item.mutations[0]
        used = after.children_user + after.children_system - before.children_user - before.children_system
        reported = f"{result.test_outcome.value if result.test_outcome else 'skipped':9} {used:5.1f} s of CPU"
        place = f"{spec.module_path.name}:{spec.start_pos[0]}"
        print(f"{reported} {time.monotonic() - start:6.1f} s  {place:28} {result.output}", flush=True)
    print(report(items, results, args.package))
    return 0


if __name__ == "__main__":
    sys.exit(main())
