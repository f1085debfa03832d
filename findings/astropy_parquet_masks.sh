#!/bin/sh
# astropy masks in Parquet: pandas reads the masked values, and with VOTable metadata integers lose their last digits.
#
# Versions: astropy 8.0.2, pyarrow 26.0.1, pandas 3.1.1, numpy 2.4.6.
# Behaviour: `format="parquet"` writes a masked column as plain values beside a column of masks, so
#     that other readers get the masked value as if it were data. `format="parquet.votable"` writes
#     nulls, and reads a column of int64 with one null as float64 with NaN, unmasked: 2**53 + 1
#     becomes 2**53.
# A good guess: A masked value is a Parquet null in both, and int64 comes back as int64 with a
#     mask.
# Seen: pandas reads [9007199254740993, 2, 3] where 2 is masked; with VOTable metadata the first is
#     9007199254740992.0.
# Why it matters here: Identifiers of stars (Gaia's source_id has 19 digits) and masked measurements
#     come in such files. This project publishes no null integers, and writes nulls with pyarrow.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 pandas==3.1.1 pyarrow==26.0.1 astropy==8.0.2 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import numpy as np
import pandas as pd
from astropy.table import MaskedColumn, Table

number = 2**53 + 1
table = Table({"source_id": MaskedColumn(np.array([number, 2, 3], np.int64), mask=[False, True, False])})
table.write("plain.parquet", format="parquet")
beneath = pd.read_parquet("plain.parquet")["source_id"].tolist()
facts = {"source_id": {"unit": "", "ucd": "meta.id", "utype": "", "description": ""}}
table.write("votable.parquet", format="parquet.votable", metadata=facts)
again = Table.read("votable.parquet", format="parquet.votable")["source_id"]
print("pandas:", beneath, "votable:", again.dtype, [float(value) for value in again])
as_described = beneath == [number, 2, 3] and again.dtype == np.float64 and int(again[0]) == number - 1
as_described &= bool(np.isnan(float(again[1])))
sys.exit(0 if as_described else 1)
EOF
"$python" -W ignore seen.py
