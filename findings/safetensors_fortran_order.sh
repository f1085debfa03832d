#!/bin/sh
# safetensors 0.8.0 silently scrambles NumPy arrays in Fortran order.
#
# Versions: safetensors 0.8.0 (0.7.0 did not do it), numpy 2.4.6, pandas 3.1.1.
# Behaviour: `save` writes the bytes in memory order with the original shape, and `load` reads them in
#     C order: the values come back in other places. Several columns of a table,
#     `table[[...]].to_numpy()`, are in Fortran order.
# A good guess: The array comes back as it was, as from numpy.savez; or an error, as
#     safetensors.torch gives for a tensor that is not contiguous.
# Seen: in [[0, 10], [1, 11], [2, 12]], out [[0, 1], [2, 10], [11, 12]].
# Why it matters here: Posterior draws, catalogue columns and weights are kept in such files. This
#     project converts arrays to C order before writing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 pandas==3.1.1 safetensors==0.8.0 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import numpy as np
import pandas as pd
from safetensors.numpy import load, save

table = pd.DataFrame({"m_lmc": [0.0, 1.0, 2.0], "m200_mw": [10.0, 11.0, 12.0]})
given = table[["m_lmc", "m200_mw"]].to_numpy()
found = load(save({"theta": given}))["theta"]
print("in C order:", given.flags.c_contiguous, "in", given.tolist(), "out", found.tolist())
is_right_in_c_order = np.array_equal(load(save({"theta": np.ascontiguousarray(given)}))["theta"], given)
print("with ascontiguousarray as given:", is_right_in_c_order)
as_described = not given.flags.c_contiguous and not np.array_equal(found, given) and is_right_in_c_order
sys.exit(0 if as_described else 1)
EOF
"$python" seen.py
