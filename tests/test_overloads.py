"""What an editor knows about the result of a loader: mypy reads the overloads, with stubs in place of the libraries."""

import os
import re
import subprocess
import sys

import pytest

#: Classes by module, so that mypy tells them apart without reading the libraries.
STUBS = {
    "pandas/__init__.pyi": "class DataFrame: ...",
    "pyarrow/__init__.pyi": "class Table: ...",
    "datasets/__init__.pyi": "class Dataset: ...\nclass IterableDataset: ...",
    "torch/__init__.pyi": "from torch import utils as utils\nclass Tensor: ...",
    "torch/utils/__init__.pyi": "from torch.utils import data as data",
    "torch/utils/data.pyi": "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass DataLoader(Generic[T]): ...",
}
INCOMPLETE = "from typing import Any\ndef __getattr__(name: str) -> Any: ...\n"

ANSWERS = {
    "load_catalogue()": "pandas.DataFrame",
    "load_catalogue('test', columns=['m_lmc'])": "pandas.DataFrame",
    "load_catalogue(format='pandas')": "pandas.DataFrame",
    "load_catalogue('train', format='arrow', budget=1000)": "pyarrow.Table",
    "load_catalogue(format='datasets')": "datasets.Dataset",
    "load_catalogue(format='torch')": "dict[str, torch.Tensor]",
    "load_catalogue(format='numpy')": "dict[str, numpy.ndarray[",
    "load_catalogue(format=name)": "Any",
    "load_halo(7)": "mwlmc_data.simulator.stars.Halo",
    "load_haloes()": "mwlmc_data.dataset.batches.HaloBatches",
    "load_haloes(range(9), True, split='test')": "mwlmc_data.dataset.batches.HaloBatches",
    "load_haloes(streaming=False)": "dict[str, numpy.ndarray[",
    "load_haloes([1], False)": "dict[str, numpy.ndarray[",
    "load_haloes(format='datasets')": "datasets.IterableDataset",
    "load_haloes(format='datasets', streaming=False)": "datasets.Dataset",
    "load_haloes(format='torch')": "torch.utils.data.DataLoader[Any]",
    "load_haloes(format='torch', streaming=False)": "dict[str, torch.Tensor]",
    "load_haloes(streaming=flag)": "Any",
    "infer({'v_travel': 35.0})": "mwlmc_data.inference.reflex_posterior.ReflexPosterior",
    "infer({'v_travel': 35.0}, config='wide').percentiles()": "pandas.DataFrame",
    "infer({'v_travel': 35.0}, {'v_travel': 4.0})": "mwlmc_data.inference.reflex_posterior.ReflexPosterior",
    "infer({'v_travel': 35.0}, [[4.0]], config='gaussian')": "mwlmc_data.inference.reflex_posterior.ReflexPosterior",
    "infer(case, {'v_travel': 4.0})": "mwlmc_data.inference.reflex_posterior.ReflexPosterior",
    "infer(fit)": "mwlmc_data.inference.reflex_posterior.ReflexPosterior",
    "infer(fit, config='wide', lmc={'ra_lmc': 78.8})": "mwlmc_data.inference.reflex_posterior.ReflexPosterior",
}
#: Calls that an editor marks as wrong.
REFUSED = (
    "infer(fit, {'v_travel': 4.0})",
    "infer(fit, errors=[[4.0]])",
    "infer({'v_travel': 35.0}, config='flat')",
    "infer(35.0)",
)


@pytest.fixture(scope="module")
def revealed(tmp_path_factory, repository):
    """What mypy says of each call."""
    home = tmp_path_factory.mktemp("types")
    for name, text in STUBS.items():
        path = home / "stubs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{INCOMPLETE}{text}\n")
    lines = [
        "from mwlmc_data import Case, infer, load_catalogue, load_halo, load_haloes",
        "from mwlmc_data.simulator.reflex import Reflex",
        "name: str",
        "flag: bool",
        "fit: Reflex",
        "case: Case",
    ]
    lines += [f"reveal_type({call})" for call in ANSWERS]
    first = len(lines) + 1
    lines += REFUSED
    (home / "calls.py").write_text("\n".join(lines) + "\n")
    (home / "mypy.ini").write_text("[mypy]\nfollow_imports = silent\nignore_missing_imports = true\n")
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "calls.py"]
    environment = os.environ | {"MYPYPATH": f"{home / 'stubs'}{os.pathsep}{repository}", "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    found = re.findall(r'Revealed type is "(.*)"', done.stdout.replace("builtins.", ""))
    wrong = [int(line) for line in re.findall(r"calls\.py:(\d+): error: No overload variant", done.stdout)]
    assert done.stdout.count("error:") == len(wrong) and len(found) == len(ANSWERS), done.stdout + done.stderr
    return dict(zip(ANSWERS, found, strict=True)) | {REFUSED[line - first]: "no overload" for line in wrong}


@pytest.mark.parametrize("call", ANSWERS)
def test_the_type_of_a_result_is_known(revealed, call):
    assert revealed[call].startswith(ANSWERS[call])


@pytest.mark.parametrize("call", REFUSED)
def test_a_wrong_call_is_marked(revealed, call):
    assert revealed.get(call) == "no overload"
