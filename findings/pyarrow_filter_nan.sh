#!/bin/sh
# Whether a pyarrow filter keeps rows with NaN depends on the row groups of the file.
#
# Versions: pyarrow 26.0.1, numpy 2.4.6.
# Behaviour: `~(v < 5)` is true of NaN. In memory such rows are kept. From a file they are kept in a
#     row group that has some value of 5 or more, and dropped in one whose statistics, which leave
#     NaN out, say that every value is below 5: the row group is never read.
# A good guess: The rows of `read_table(path, filters=f)` are those of `read_table(path).filter(f)`.
# Seen: rows from the file [4, 5, 6, 7], in memory [2, 4, 5, 6, 7]; NaN are in rows 2 and 7.
# Why it matters here: The published tables are read with filters, by the package and by others.
#     None of their columns holds NaN: unknown values are null.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 pyarrow==26.0.1 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

v = np.array([1.0, 2.0, np.nan, 3.0, 10.0, 11.0, 12.0, np.nan])
table = pa.table({"row": np.arange(8), "v": v})
pq.write_table(table, "table.parquet", row_group_size=4)
wanted = ~(pc.field("v") < 5.0)
from_file = pq.read_table("table.parquet", filters=wanted)["row"].to_pylist()
in_memory = pq.read_table("table.parquet").filter(wanted)["row"].to_pylist()
print("from the file:", from_file, "in memory:", in_memory)
sys.exit(0 if from_file == [4, 5, 6, 7] and in_memory == [2, 4, 5, 6, 7] else 1)
EOF
"$python" seen.py
