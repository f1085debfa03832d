"""The star kernel compiled for a processor of another kind, as assembly to read, with counts of what it holds.

Without a machine of that kind this shows whether the compiler has what the kernel needs: every operation on lanes as
instructions of the target's vectors, no function that Numba's runtime would not provide there, and how many values do
not fit into registers. Numba chooses instructions when it is imported; a process of its own therefore compiles the
kernel for a processor without extensions, whose LLVM code names no instruction of x86, and LLVM compiles that code for
the target.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm

#: Triple and processors by the name of the target.
TARGETS = {"aarch64": ("aarch64-unknown-linux-gnu", ("neoverse-n1", "apple-m1"))}
#: The one operation of x86 in Numba's runtime, put in by code generation: a reference count falls; is it now zero?
_COUNT = "@llvm.x86.atomic.sub.cc.i64"
_COUNT_ANYWHERE = """define internal i8 @count_down(ptr %count, i64 %one, i32 %condition) {
  %before = atomicrmw sub ptr %count, i64 %one seq_cst
  %is_zero = icmp eq i64 %before, %one
  %result = zext i1 %is_zero to i8
  ret i8 %result
}"""
_FUSED, _MULTIPLIED, _CALL = (re.compile(rf"^{name}") for name in (r"fml[as]\t.*\.4s", r"fmul\t.*\.4s", r"bl\t(\S+)"))


@dataclasses.dataclass(frozen=True)
class Counts:
    """What the kernel's assembly holds.

    Attributes
    ----------
    processor : str
        LLVM's name of the processor.
    instructions : int
        All instructions of the kernel.
    fused, multiplied : int
        Those that multiply and add vectors, and those that multiply vectors.
    spills, reloads : int
        Stores of values for which no register is free, and of the caller's registers; and loads of them.
    calls : tuple of str
        Names of the functions it calls, each once.
    """

    processor: str
    instructions: int
    fused: int
    multiplied: int
    spills: int
    reloads: int
    calls: tuple[str, ...]


def compile_portably() -> str:
    """Compile the kernel in another process for a processor without extensions; return its LLVM code."""
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    program = f"from {__name__} import get_llvm_code; print(get_llvm_code())"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the kernel was not compiled:\n{done.stderr}")
    return done.stdout


def get_llvm_code() -> str:
    """Compile the kernel in this process, apart from the cache, and return its LLVM code."""
    import numba
    import numpy as np

    from mwlmc_data.simulator.compiling import FASTMATH
    from mwlmc_data.simulator.engines.lane_functions import F, LaneField
    from mwlmc_data.simulator.engines.lanes import _run

    table = np.zeros(4, F)
    arguments = (np.zeros((1, 6), F), LaneField(table, table, table, table, None), F(0))
    kernel = numba.njit(nogil=True, error_model="numpy", fastmath=FASTMATH)(_run.py_func)  # type: ignore[attr-defined]
    types = tuple(map(numba.typeof, arguments))
    kernel.compile(types)
    return str(kernel.inspect_llvm(types))


def make_assembly(code: str, triple: str, processor: str) -> str:
    """Compile LLVM code for a processor, with comments at every spill.

    Raises
    ------
    ValueError
        If LLVM was built without the target.
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError as error:
        raise ValueError(f"target = {triple}: allowed are those that LLVM was built with ({error})") from error
    machine = target.create_target_machine(cpu=processor, opt=3)
    machine.set_asm_verbosity(True)
    code = re.sub(rf"^declare i8 {re.escape(_COUNT)}.*$", _COUNT_ANYWHERE, code, flags=re.MULTILINE)
    module = llvm.parse_assembly(code.replace(_COUNT, "@count_down"))
    module.triple = triple
    module.data_layout = str(machine.target_data)
    return machine.emit_assembly(module)


def count(assembly: str, processor: str) -> Counts:
    """Count the instructions of the kernel; wrappers and the runtime's functions beside it do not count."""
    bodies = re.findall(r"^(_ZN\w*_run\w*):(.*?)^\t\.size\t", assembly, re.MULTILINE | re.DOTALL)
    (body,) = (body for name, body in bodies if not name.startswith(("_ZN7cpython", "_ZN5cfunc")))
    lines = [line.strip() for line in body.splitlines() if re.match(r"\t[a-z]", line)]
    calls = (_CALL.match(line) for line in lines)
    return Counts(
        processor,
        len(lines),
        sum(bool(_FUSED.match(line)) for line in lines),
        sum(bool(_MULTIPLIED.match(line)) for line in lines),
        sum("Folded Spill" in line for line in lines),
        sum("Folded Reload" in line for line in lines),
        tuple(sorted({call[1] for call in calls if call})),
    )


def measure(target: str, out: Path | None = None) -> list[Counts]:
    """Compile the kernel for the processors of a target and count.

    Parameters
    ----------
    target : str
        One of :data:`TARGETS`.
    out : Path, optional
        Where the assembly for the first processor is written.

    Raises
    ------
    ValueError
        If LLVM was built without the target.
    """
    code = compile_portably()
    triple, processors = TARGETS[target]
    texts = {processor: make_assembly(code, triple, processor) for processor in processors}
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(texts[processors[0]])
    return [count(text, processor) for processor, text in texts.items()]


def describe(found: list[Counts]) -> str:
    """Format the counts."""
    lines = []
    for counts in found:
        lines += [
            f"{counts.processor}: {counts.instructions:,} instructions, of which {counts.fused} multiply and add "
            f"vectors and {counts.multiplied} multiply vectors; {counts.spills} spills, {counts.reloads} reloads",
            f"    calls {', '.join(counts.calls) or 'nothing'}",
        ]
    return "\n".join(lines)
