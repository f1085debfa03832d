#!/bin/sh
# astropy writes int8 to FITS as logical values, and loses the mask of a boolean column.
#
# Versions: astropy 8.0.2, numpy 2.4.6.
# Behaviour: A column of int8 comes back as bool, every number but 0 as True. A masked entry of a
#     boolean column comes back as an ordinary value. Neither warns.
# A good guess: FITS stores signed bytes with an offset of -128 (TZERO), as it stores unsigned 16-bit
#     integers with one; a null in a logical column is a byte 0, which the standard allows.
# Seen: flag [1, 2, 3] came back as [True, True, True]; no entry of the masked column is masked.
# Why it matters here: Star tables carry one-byte quality flags and masked booleans. Cast both to
#     int16 before writing FITS.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 astropy==8.0.2 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import numpy as np
from astropy.table import MaskedColumn, Table

table = Table(
    {
        "flag": np.array([1, 2, 3], np.int8),
        "member": MaskedColumn([True, False, True], mask=[False, True, False]),
        "wide": np.array([1, 2, 3], np.int16),
    }
)
table.write("stars.fits")
found = Table.read("stars.fits")
masked = int(np.sum(np.ma.getmaskarray(found["member"])))
print("flag", found["flag"].tolist(), "masked of member:", masked, "as int16:", found["wide"].tolist())
as_described = found["flag"].tolist() == [True, True, True] and masked == 0 and found["wide"].tolist() == [1, 2, 3]
as_described &= found["flag"].dtype == bool
sys.exit(0 if as_described else 1)
EOF
"$python" -W ignore seen.py
