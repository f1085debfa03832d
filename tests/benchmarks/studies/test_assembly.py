"""The star kernel compiled for ARM: nothing is missing there, and the lanes are NEON's vectors."""

import re

import pytest

from benchmarks.__main__ import main
from benchmarks.studies import assembly


def test_kernel_for_arm(tmp_path, capsys):
    """Lanes stay vectors with fused operations, of which a step has hundreds; no square root, exp or log is called."""
    out = tmp_path / "folder" / "kernel.s"
    main(["assembly", "--target", "aarch64", "--out", str(out)])
    text = capsys.readouterr().out
    for processor in assembly.TARGETS["aarch64"][1]:
        assert f"{processor}: " in text
    found = assembly.count(out.read_text(), "neoverse-n1")
    assert found.fused > 400
    assert found.fused + found.multiplied < found.instructions < 10_000
    # LLVM 20 (Numba 0.62) spills 603 values, LLVM of Numba 0.68 19
    assert found.spills < found.instructions / 5
    # C's root serves the first step of a star
    assert all(name.startswith(("NRT_", "numba_")) or name in ("memset", "memcpy", "sqrtf") for name in found.calls)
    assert re.search(r"fsqrt\tv\d+\.4s", out.read_text())


def test_counts_are_those_of_the_kernel_alone():
    lines = ("fmla\tv1.4s, v2.4s, v3.4s", "fmul\tv1.4s, v2.4s, v3.4s", "bl\texpf", "str\tq0, [sp] // Folded Spill")
    body = "".join(f"\t{line}\n" for line in lines)
    names = ("_ZN7cpython4_run", "_ZN10mwlmc_data4_run", "NRT_decref")
    text = "".join(f"{name}:\n\t.cfi_startproc\n{body}.LBB0_1:\n\tret\n\t.size\t{name}\n" for name in names)
    assert assembly.count(text, "any") == assembly.Counts("any", 5, 1, 1, 1, 0, ("expf",))


def test_a_target_that_llvm_does_not_have_is_refused():
    with pytest.raises(ValueError, match="target = z80-unknown: allowed are those that LLVM was built with"):
        assembly.make_assembly("", "z80-unknown", "any")
