"""What a fresh process waits for before its first simulation: the imports, the compiled code, or compiling it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

#: Goals: seconds from `import numba` to the first simulation with compiled code at hand, and processor time of the very
#: first, which compiles.
GOAL_WARM, GOAL_COLD = 0.5, 8.0

_PROGRAM = """
import json, time
start = time.perf_counter()
import numba
begun, processor = time.perf_counter(), time.process_time()
import mwlmc_data as mw
imported = time.perf_counter()
mw.simulate(mw.Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0), n_stars=100)
print(json.dumps({
    "numba": begun - start, "imports": imported - begun, "total": time.perf_counter() - begun,
    "processor": time.process_time() - processor,
}))
"""


def measure(repeats: int) -> dict[str, Any]:
    """Measure ``cold``, a first simulation that compiles, and ``warm``, the median of later ones in fresh processes.

    Each has the seconds of ``numba`` (its import), and after that ``imports`` (of this package), ``total`` (to the end
    of the first simulation) and ``processor`` (processor time).
    """
    with (
        tempfile.TemporaryDirectory(prefix="mwlmc-speed-") as folder,
        tqdm(total=1 + repeats, desc="start", leave=False) as bar,
    ):
        cold = _run(folder)
        bar.update()
        warm = []
        for _ in range(repeats):
            warm.append(_run(folder))
            bar.update()
    return {"cold": cold, "warm": {key: float(np.median([found[key] for found in warm])) for key in cold}}


def _run(folder: str) -> dict[str, float]:
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "NUMBA_CACHE_DIR": folder}
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"the first simulation of a fresh process failed: {ended.stderr.strip()}")
    return json.loads(ended.stdout)
