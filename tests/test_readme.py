"""The README's examples run as they stand, as one script without a guard."""

import os
import re
import subprocess
import sys

import pytest

#: What stands in the README, and what runs here in its place: fewer haloes, and no method's draws to be scored.
SMALLER = {
    'mw.load_haloes(split="train", columns=["m_lmc"])': 'mw.load_haloes(range(1000, 1020), columns=["m_lmc"])',
    'mw.load_haloes(split="train", format="torch",': 'mw.load_haloes(range(8), format="torch",',
    "task.score(samples)": "task.score, task.theta_names",
}


def test_the_examples_are_a_script(repository, tmp_path):
    for library in ("torch", "matplotlib"):
        pytest.importorskip(library)
    readme = (repository / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```$", readme, flags=re.M | re.S)
    assert len(found) == 3
    text = "\n".join(found)
    for as_written, smaller in SMALLER.items():
        assert text.count(as_written) == 1
        text = text.replace(as_written, smaller)
    after = 'print([b["positions"].shape for b in loader], batch["m_lmc"].shape, task)\n'
    (tmp_path / "example.py").write_text(f'print("begins")\n{text}\n{after}', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, last = done.stdout.splitlines()
    assert first == "begins" and last.startswith("[torch.Size([8, 4500, 3])] (20,) <Task summary-9")
