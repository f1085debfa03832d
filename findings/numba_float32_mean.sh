#!/bin/sh
# numba sums float32 sequentially in float32: the mean of 10 million stars is off by more than one per cent.
#
# Versions: numba 0.68.1, numpy 2.4.6.
# Behaviour: `array.mean()` and `array.sum()` in a compiled function keep a single float32 sum,
#     whose rounding error grows with it. numpy sums in pairs, and is right to six digits.
# A good guess: numpy's results, as the methods are numpy's.
# Seen: mean of 10 million values of 8.3 with a scatter of 1: numba 8.1764, numpy 8.2997, in float64
#     8.2997.
# Why it matters here: Snapshots have as many particles, in float32. Sums over particles use float64.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 numba==0.68.1 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import numba
import numpy as np


@numba.njit
def mean(values):
    return values.mean()


values = (8.3 + np.random.default_rng(0).standard_normal(10_000_000)).astype(np.float32)
truth = values.astype(np.float64).mean()
print(f"numba {mean(values):.4f}, numpy {values.mean():.4f}, in float64 {truth:.4f}")
as_described = abs(mean(values) / truth - 1) > 1e-3 and abs(values.mean() / truth - 1) < 1e-5
sys.exit(0 if as_described else 1)
EOF
"$python" seen.py
